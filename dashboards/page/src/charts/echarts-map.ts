/** What maps need of ECharts besides: loaded with the first map. */
import { use } from 'echarts/core'
import { install as map } from 'echarts/lib/chart/map/install.js'
import { install as scatter } from 'echarts/lib/chart/scatter/install.js'
import { install as geo } from 'echarts/lib/component/geo/install.js'
import { install as scale } from 'echarts/lib/component/visualMap/installVisualMapContinuous.js'

use([map, scatter, geo, scale])

export { registerMap } from 'echarts/core'
