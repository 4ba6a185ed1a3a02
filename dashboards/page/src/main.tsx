import { render } from 'preact'
import { datasetName } from './address.ts'
import { App } from './app.tsx'

render(<App />, document.getElementById('page')!)
// Every page of a dataset draws charts: what draws them is loaded while the server answers.
if (datasetName.value !== null) void import('./charts/echarts.ts')
