/** What candles need of ECharts besides: loaded with the first ones. */
import { use } from 'echarts/core'
import { install as candles } from 'echarts/lib/chart/candlestick/install.js'
import { install as zoom } from 'echarts/lib/component/dataZoom/installDataZoomInside.js'

use([candles, zoom])
