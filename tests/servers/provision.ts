/**
 * Makes sure that the real servers of the tests can be started here: node tests/servers/provision.ts. Fetches what is missing, keeps it
 * under node_modules/.cache/servers, and is quick when everything is there. Ends with 1 and says what is missing when one can not be had.
 */
import { existsSync } from 'node:fs'
import { redisVersion } from './redis-server.ts'

/** Modules of this folder, and their function that fetches a server. */
const FETCHED = [
  { server: 'Kafka', module: './kafka-server.ts', provision: 'provisionKafka' },
  { server: 'Elasticsearch', module: './elasticsearch-server.ts', provision: 'provisionElasticsearch' },
] as const

async function provision(server: string, make: () => Promise<unknown>): Promise<boolean> {
  const startedMs = performance.now()
  try {
    await make()
    console.log(`${server} is ready (${((performance.now() - startedMs) / 1_000).toFixed(1)} s)`)
    return true
  } catch (error) {
    console.error(`${server} can not be had: ${error instanceof Error ? error.message : error}`)
    return false
  }
}

const done = [await provision('Redis', async () => redisVersion())]
for (const { server, module, provision: name } of FETCHED) {
  const url = new URL(module, import.meta.url)
  if (!existsSync(url)) continue
  const exported = (await import(url.href)) as Record<string, () => Promise<unknown>>
  done.push(await provision(server, exported[name]!))
}
process.exitCode = done.every(Boolean) ? 0 : 1
