import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { DictionaryFetchers } from './dictionary-fetchers.ts'

test('fetches unknown keys of the dictionaries that have a source, publishes them, and tells what fails', async () => {
  const asked: string[] = []
  const http = createServer((request, response) => {
    asked.push(request.url!)
    const id = Number(/\d+$/.exec(request.url!)?.[0])
    response.statusCode = id === 3 ? 404 : id === 4 ? 403 : 200
    response.end(JSON.stringify({ category: `category ${id}`, members: 10 * id }))
  }).listen(0, '127.0.0.1')
  await once(http, 'listening')
  const folder = mkdtempSync(join(tmpdir(), 'fetchers-'))
  const store = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
  const events: PlatformEvent[] = []
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/groups/{key}`
  const fetchers = DictionaryFetchers.start({
    store,
    sources: { group_details: url },
    emit: (event) => events.push(event),
    limits: { requestsPerSecondMax: 100 },
  })
  fetchers.onUnknownKeys('group_details', ['1', '2', '3', '4'])
  fetchers.onUnknownKeys('countries', ['xx'])
  const state = () => fetchers.states().get('group_details')
  await expect.poll(state, { timeout: 20_000 }).toMatchObject({ waiting: 0, found: 2, absent: 1, failed: 1 })
  await fetchers.stop()
  expect(await store.entries('group_details', (await store.version('group_details'))!)).toEqual([
    { key: '1', attributes: { category: 'category 1', members: '10' } },
    { key: '2', attributes: { category: 'category 2', members: '20' } },
  ])
  expect(asked).toHaveLength(4)
  expect(await store.version('countries')).toBeNull()
  expect(events).toMatchObject([{ name: 'dictionary-fetch-failed', level: 'warn' }])
  expect(events[0]!.message).toMatch(/'group_details' key '4' cannot be fetched: .*403/)
  await store.close()
  http.close()
  rmSync(folder, { recursive: true })
})

test('refuses a template that is none, and a dictionary that has its content already', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fetchers-'))
  const store = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
  const sources = { group_details: 'https://example.org/groups' }
  expect(() => DictionaryFetchers.start({ store, sources, emit: () => {} })).toThrow(/not an http or https URL/)
  const shipped = { countries: 'https://example.org/countries/{key}' }
  expect(() => DictionaryFetchers.start({ store, sources: shipped, emit: () => {} })).toThrow(/'countries' is a/)
  await store.close()
  rmSync(folder, { recursive: true })
})
