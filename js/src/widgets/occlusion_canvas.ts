import { EMPTY, READERS } from "../occlusion_state";
import "../styles/occlusion_canvas.css";
import { renderOcclusionCanvas } from "../views/occlusion_canvas";
import { asWidget } from "../widget";

export default asWidget(READERS, EMPTY, renderOcclusionCanvas);
