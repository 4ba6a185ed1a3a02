/** What heat maps need of ECharts besides: loaded with the first one. */
import { use } from 'echarts/core'
import { install as heat } from 'echarts/lib/chart/heatmap/install.js'
import { install as scale } from 'echarts/lib/component/visualMap/installVisualMapContinuous.js'

use([heat, scale])
