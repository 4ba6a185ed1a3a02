/** For cluster.e2e.test.ts: one of log, speed store and lake is restored from an older copy, emptied or made anew: healed, repaired or refused. */
import { cp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { DoctorReport } from '#runtime/health/doctor.ts'
import { kafkaClient } from '#storage/log/kafka/kafka-client.ts'
import type { ClusterServices } from './cluster-services.ts'
import { ClusterSite, PARTITIONS } from './cluster-site.ts'

export function restores(services: () => ClusterServices): void {
  describe('after a restore', () => {
    let site: ClusterSite
    beforeEach(async () => {
      site = await ClusterSite.make(services())
    })
    afterEach(() => site.remove())

    const doctor = async (...words: string[]): Promise<DoctorReport> => {
      const { stdout } = await site.watershed('doctor', ...words)
      return (JSON.parse(stdout) as DoctorReport[])[0]!
    }

    test('an emptied speed store is filled again under the running workers; a lake of before is read up to date again', async ({
      skip,
    }) => {
      const { elasticsearch } = services()
      skip(site.isApart, 'a bucket is not restored by copying a folder')
      const lake = join(site.folder, 'data/lake')
      const [serve, stream, batch] = [site.run('serve'), site.run('stream'), site.run('batch')]
      await site.post(serve)
      await site.allOwned(stream)
      await site.acknowledged(200)
      const all = `${elasticsearch.node}/_all/_alias?expand_wildcards=all&filter_path=*.aliases`
      const names = Object.keys((await (await fetch(all)).json()) as object).filter((name) => name.includes(site.name))
      expect(names.length).toBe(PARTITIONS)
      for (const name of names)
        expect((await fetch(`${elasticsearch.node}/${name}`, { method: 'DELETE' })).status).toBe(200)
      await site.acknowledged(300)
      expect(await site.check(serve)).toBeGreaterThan(500)
      expect(stream.alive).toBe(true)

      for (const process of [stream, batch]) await process.stop()
      await cp(lake, `${lake}.before`, { recursive: true })
      const again = [site.run('stream'), site.run('batch')]
      await site.post(serve)
      await site.acknowledged(600)
      await site.check(serve)
      for (const process of [serve, ...again]) await process.stop()
      await rm(lake, { recursive: true })
      await rename(`${lake}.before`, lake)
      const found = await doctor('--repair')
      expect(found.well).toBe(false)
      expect(found.repairs!.map(({ message }) => message).join('\n')).toMatch(
        /the lake has lost its newest segments.*nothing to repair.*reads the log/,
      )
      site.run('stream')
      site.run('batch')
      const last = site.run('serve')
      await last.address
      expect(await site.check(last)).toBeGreaterThan(1_000)
      expect((await doctor('--repair')).repairs).toEqual([])
    })

    test('a topic that was made anew is refused by every part, and doctor says what to do', async () => {
      const { kafka } = services()
      const [serve, stream] = [site.run('serve'), site.run('stream')]
      await site.post(serve)
      await site.allOwned(stream)
      await site.acknowledged(300)
      await site.check(serve)
      for (const process of [serve, stream]) await process.stop()
      const admin = kafkaClient({ brokers: kafka.brokers }, 30_000).admin()
      await admin.connect()
      await admin.deleteTopics({ topics: [`${site.name}-crash_events`] })
      await admin.disconnect()
      const other = site.run('stream')
      await other.address
      await site.until('the worker refuses', () => /"event":"stream-refused".*belong to log/.test(other.said))
      const { well, findings } = await doctor('--repair')
      expect(well).toBe(false)
      const foreign = findings.find(({ message }) => /segments belong to a log other than/.test(message))!
      expect(foreign.advice).toMatch(/restore the log that belongs to this lake/)
      const last = site.run('serve')
      const query = `${await last.address}/v1/datasets/crash_events/views/by_kind?dimensions=&measures=events`
      const reply = await fetch(query)
      const { detail } = (await reply.json()) as { detail: string }
      expect([reply.status, detail]).toEqual([
        503,
        expect.stringMatching(/segments belong to log .*, but this log is .*restore/),
      ])
    })
  })
}
