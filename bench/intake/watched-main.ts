/** The command line, with its main thread's event loop watched: a line on stdin starts a new measurement, and writes the last one's longest delay, in ms, as a line to stdout. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'

const RESOLUTION_MS = 1

const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
delay.enable()
createInterface(process.stdin).on('line', () => {
  process.stdout.write(`${delay.max / 1e6 - RESOLUTION_MS}\n`)
  delay.reset()
})
await import('../../runtime/main.ts')
