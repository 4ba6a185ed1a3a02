import { render } from 'preact'
import { datasetName } from './address.ts'
import { App } from './app.tsx'
import { expectStream } from './live.ts'

if (datasetName.value !== null) expectStream()

render(<App />, document.getElementById('page')!)
