/** What every chart needs of ECharts, and lines and bars: a file of its own, which is loaded with the first chart. */
import { init, use } from 'echarts/core'
import { install as bars } from 'echarts/lib/chart/bar/install.js'
import { install as lines } from 'echarts/lib/chart/line/install.js'
import { install as brush } from 'echarts/lib/component/brush/install.js'
import { install as grid } from 'echarts/lib/component/grid/install.js'
import { install as legend } from 'echarts/lib/component/legend/install.js'
import { install as tooltip } from 'echarts/lib/component/tooltip/install.js'
import { CanvasRenderer } from 'echarts/renderers'
import { Drawing, type Uses } from './drawing.ts'

use([lines, bars, brush, grid, legend, tooltip, CanvasRenderer])

export function draw(place: HTMLElement, uses: { readonly current: Uses }): Drawing {
  return new Drawing(init(place, null, { renderer: 'canvas' }), place, uses)
}
