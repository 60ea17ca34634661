import { READERS } from "../activation_readers";
import { EMPTY } from "../activation_state";
import "../styles/activation_grid.css";
import { renderActivationGrid } from "../views/activation_grid";
import { asWidget } from "../widget";

export default asWidget(READERS, EMPTY, renderActivationGrid);
