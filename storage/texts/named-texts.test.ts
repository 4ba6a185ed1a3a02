/** What every driver of named texts must do: in a folder, and on a real S3 server. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { S3Fixture } from '#tests/servers/s3-lakes.ts'
import { whyNoS3 } from '#tests/servers/s3-server.ts'
import { FolderTexts } from './local/folder-texts.ts'
import { copyTexts, type NamedTexts } from './named-texts.ts'
import { S3Texts } from './s3/s3-texts.ts'

/** @param open a new handle on the texts of a place */
function contract(open: (place: string) => NamedTexts): void {
  test('a text is created once, replaced, listed and removed', async () => {
    const [texts, other] = [open('once'), open('once')]
    expect(await texts.names()).toEqual([])
    expect(await texts.read('a.json')).toBeNull()
    expect(await texts.create('a.json', '{"n":1}\n')).toBe(true)
    expect(await other.create('a.json', '{"n":2}\n')).toBe(false)
    expect(await other.read('a.json')).toBe('{"n":1}\n')
    await other.replace('a.json', '{"n":"größer"}\n')
    await other.replace('0-1/0-12.json', '{}\n')
    await other.replace('hook.state', 'x')
    expect(await texts.read('a.json')).toBe('{"n":"größer"}\n')
    expect([...(await texts.names())].sort()).toEqual(['0-1/0-12.json', 'a.json', 'hook.state'])
    expect([await other.remove('a.json'), await other.remove('a.json')]).toEqual([true, false])
    expect([...(await texts.names())].sort()).toEqual(['0-1/0-12.json', 'hook.state'])
  })

  test('of many who create a text one succeeds, and its text is there', async () => {
    const made = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => ((await open('many').create('x.json', String(n))) ? [String(n)] : [])),
    )
    expect(made.flat()).toEqual([await open('many').read('x.json')])
  })

  test.each(['../a.json', 'a', 'a/b/c.json', '', '/a.json', 'a b.json'])('%j is no name', async (name) => {
    await expect((async () => open('names').create(name, ''))()).rejects.toThrow('is not a valid name')
    await expect((async () => open('names').read(name))()).rejects.toThrow('is not a valid name')
  })

  test('copied, those that are there stay', async () => {
    const [from, to] = [open('from'), open('to')]
    for (const name of ['a.json', 'b.json', '1-0/1-5.json']) await from.create(name, `old ${name}`)
    await to.create('b.json', 'own')
    expect(await copyTexts(from, to)).toBe(2)
    expect(await copyTexts(from, to)).toBe(0)
    expect([await to.read('1-0/1-5.json'), await to.read('b.json')]).toEqual(['old 1-0/1-5.json', 'own'])
  })
}

describe('texts in a folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-texts-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  contract((place) => new FolderTexts(join(folder, place, 'deep')))
})

describe.skipIf(whyNoS3() !== null)('texts in a bucket', () => {
  let s3: S3Fixture
  beforeAll(async () => {
    s3 = await S3Fixture.start()
  })
  afterAll(() => s3.stop())
  contract((place) => new S3Texts(s3.store('texts'), place))
})
