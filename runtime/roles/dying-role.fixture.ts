/** A role for the supervisor's test: each life leaves a mark in the scratch folder; what it does depends on how many there were. */
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { runRole } from './role-thread.ts'

await runRole(async ({ scratchFolder }, emit) => {
  const marks = join(scratchFolder, 'lives')
  const life = existsSync(marks) ? readFileSync(marks, 'utf8').length + 1 : 1
  appendFileSync(marks, '|')
  const script = readFileSync(join(scratchFolder, 'script'), 'utf8').split(' ')
  const deed = script[life - 1]
  if (deed === 'refuse') throw new Error('the configuration is wrong')
  if (deed === 'interrupt') {
    process.removeAllListeners('SIGINT')
    process.kill(process.pid, 'SIGINT')
    await once(process, 'never')
  }
  if (deed === 'leave') createServer().listen(0, '127.0.0.1')
  if (deed === 'reject') setImmediate(() => void Promise.reject(new Error('nothing caught this')))
  emit({ name: `life-${life}`, level: 'info', message: `life ${life}` })
  return {
    parts: () => [{ name: 'part', dataset: null, state: 'running', fault: null, numbers: { life } }],
    stop: async () => {
      appendFileSync(join(scratchFolder, 'stops'), '|')
      if (deed === 'stumble') throw new Error('could not flush')
    },
  }
})
