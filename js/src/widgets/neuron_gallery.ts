import { READERS } from "../gallery_readers";
import { EMPTY } from "../gallery_state";
import "../styles/neuron_gallery.css";
import { renderNeuronGallery } from "../views/neuron_gallery";
import { asWidget } from "../widget";

export default asWidget(READERS, EMPTY, renderNeuronGallery);
