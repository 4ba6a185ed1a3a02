/** A role that starts while Elasticsearch boots waits for it, as docs/cluster.md says, and then works. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { PlatformProcess } from '#tests/crash/platform-process.ts'
import {
  type ElasticsearchServer,
  elasticsearchMissing,
  startElasticsearch,
} from '#tests/servers/elasticsearch-server.ts'
import { until } from '#tests/until.ts'

const missing = await elasticsearchMissing()

describe.skipIf(missing !== null)('on a real Elasticsearch', () => {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-boot-'))
  const running: PlatformProcess[] = []
  let elasticsearch: ElasticsearchServer | null = null
  afterAll(async () => {
    await Promise.all(running.map((process) => process.stop()))
    await elasticsearch?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('stream, serve and present start before it, wait, and are ready once it is', async () => {
    elasticsearch = await startElasticsearch()
    await elasticsearch.kill9()
    const start = (command: string): PlatformProcess => {
      const process = new PlatformProcess({
        command,
        arguments: ['--port', '0', '--log-format', 'json', '--set', 'elasticsearch.outageMsMax=120000'],
        environment: {
          WATERSHED_DATA: join(folder, 'data'),
          WATERSHED_SPEED_STORE: 'elasticsearch',
          WATERSHED_PRESENTED: 'elasticsearch',
          WATERSHED_ELASTICSEARCH_NODE: elasticsearch!.node,
          WATERSHED_ELASTICSEARCH_REPLICAS: '0',
        },
      })
      running.push(process)
      return process
    }
    const roles = ['stream', 'serve', 'present'].map(start)
    for (const role of roles)
      await until(
        'it says that it waits',
        () => /elasticsearch-retry.*retrying for up to/.test(role.said) || !role.alive,
        { withinMs: 120_000, said: () => role.said },
      )
    expect(roles.map(({ alive }) => alive)).toEqual([true, true, true])
    await elasticsearch.restart()
    for (const role of roles) {
      const address = await role.address
      await until('it is ready', async () => (await fetch(`${address}/readyz`)).status === 200, {
        withinMs: 120_000,
        faultsPass: true,
        said: () => role.said,
      })
    }
    expect(roles.map(({ alive }) => alive)).toEqual([true, true, true])
  }, 400_000)
})
