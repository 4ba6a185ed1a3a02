/** The parts of ECharts that the page uses; it is a file of its own, which is loaded with the first chart. */
import { BarChart, CandlestickChart, HeatmapChart, LineChart, MapChart, PieChart, ScatterChart } from 'echarts/charts'
import {
  AriaComponent,
  BrushComponent,
  DataZoomComponent,
  GeoComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
} from 'echarts/components'
import { init, use } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'
import { Drawing, type Uses } from './drawing.ts'

use([
  BarChart,
  CandlestickChart,
  HeatmapChart,
  LineChart,
  MapChart,
  PieChart,
  ScatterChart,
  AriaComponent,
  BrushComponent,
  DataZoomComponent,
  GeoComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
  CanvasRenderer,
])

export { registerMap } from 'echarts/core'

export function draw(place: HTMLElement, uses: { readonly current: Uses }): Drawing {
  return new Drawing(init(place, null, { renderer: 'canvas' }), place, uses)
}
