import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfiguration } from './configuration.ts'
import { kindOf, SETTING_NAMES, SETTINGS, variableOf } from './settings.ts'

async function fileWith(text: string, name = 'watershed.json'): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'watershed-configuration-')), name)
  await writeFile(file, text)
  return file
}

describe('configuration', () => {
  test('has defaults for everything, and makes a demo stream when nothing was asked for', async () => {
    const configuration = await loadConfiguration({})
    expect(configuration).toMatchObject({ host: '127.0.0.1', port: 8787, partitions: 4, demo: true })
    expect(configuration.data).toBe(resolve('watershed-data'))
  })

  test('makes no demo stream where datasets are named', async () => {
    expect((await loadConfiguration({ flags: { datasets: ['meetup_rsvps'] } })).demo).toBe(false)
  })

  test('flags win over the environment, and the environment over the file', async () => {
    const file = await fileWith('{ "port": 1, "partitions": 2, "segmentAgeMsMax": 100 }')
    const configuration = await loadConfiguration({
      file,
      environment: { WATERSHED_PORT: '2', WATERSHED_PARTITIONS: '3', WATERSHED_DEMO: 'false' },
      flags: { port: 4, host: undefined },
    })
    expect(configuration).toMatchObject({ port: 4, partitions: 3, segmentAgeMsMax: 100, demo: false })
  })

  test('paths in a file are relative to the file', async () => {
    const file = await fileWith('{ "data": "here", "datasets": ["./mine.ts", "meetup_rsvps"] }')
    const configuration = await loadConfiguration({ file })
    expect(configuration.data).toBe(resolve(file, '../here'))
    expect(configuration.datasets).toEqual([resolve(file, '../mine.ts'), 'meetup_rsvps'])
  })

  test('a .ts file works as well', async () => {
    const file = await fileWith('export default { port: 4711 as number }', 'watershed.config.ts')
    expect((await loadConfiguration({ file })).port).toBe(4711)
  })

  test('an unknown key is refused with the nearest name', async () => {
    const file = await fileWith('{ "segmentAgeMaxMs": 1 }')
    await expect(loadConfiguration({ file })).rejects.toThrow(
      /'segmentAgeMaxMs' is no setting \(did you mean 'segmentAgeMsMax'\?\)/,
    )
    await expect(loadConfiguration({ environment: { WATERSHED_PROT: '1' } })).rejects.toThrow(/WATERSHED_PORT/)
  })

  test('a wrong value is refused with its setting and its source', async () => {
    const wrong = loadConfiguration({ environment: { WATERSHED_PORT: 'eighty' } })
    await expect(wrong).rejects.toThrow(/port \(environment\): .*"eighty"/)
  })

  test('an address that others can reach needs keys', async () => {
    await expect(loadConfiguration({ flags: { host: '0.0.0.0' } })).rejects.toThrow(/keys/)
    const keys = 'a-long-enough-api-key,another-long-enough-key'
    const configuration = await loadConfiguration({ flags: { host: '0.0.0.0' }, environment: { WATERSHED_KEYS: keys } })
    expect(configuration.keys).toEqual(keys.split(','))
  })
})

test('docs/reference/configuration.md lists exactly the settings, with their defaults', async () => {
  const text = await readFile(new URL('../docs/reference/configuration.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$/gm)].map((row) => row.slice(1, 5))
  const expected = SETTING_NAMES.map((setting) => {
    const schema = SETTINGS.shape[setting]
    const fallback = schema.safeParse(undefined).data
    return [
      setting,
      kindOf(setting),
      fallback === undefined ? '' : `\`${JSON.stringify(fallback)}\``,
      schema.description,
    ]
  })
  expect(rows).toEqual(expected)
  expect(text).toContain(variableOf('segmentAgeMsMax'))
})
