import { EMPTY, READERS } from "../heatmap_state";
import "../styles/heatmap_view.css";
import { renderHeatmapView } from "../views/heatmap_view";
import { asWidget } from "../widget";

export default asWidget(READERS, EMPTY, renderHeatmapView);
