import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { DICTIONARY_FILE_LIMITS, loadDictionaryFile } from './dictionary-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'watershed-dictionary-'))
afterAll(() => rmSync(folder, { recursive: true }))

const file = (name: string, contents: string | Buffer): string => {
  writeFileSync(join(folder, name), contents)
  return join(folder, name)
}
const expected = [
  { key: 'de', attributes: { name: 'Germany', people: '83' } },
  { key: 'Korea, South', attributes: { name: 'South "K"\nKorea' } },
]

describe('one dictionary in every format', () => {
  test.each([
    [
      'a.ndjson',
      '\uFEFF{"key":"de","name":"Germany","people":83}\r\n\n{"key":"Korea, South","attributes":{"name":"South \\"K\\"\\nKorea","x":null}}',
    ],
    ['a.csv', '\uFEFFkey,name,people\r\nde,Germany,83\r\n\r\n"Korea, South","South ""K""\nKorea",\r\n'],
    ['a.json', '[{"key":"de","name":"Germany","people":83},{"key":"Korea, South","name":"South \\"K\\"\\nKorea"}]'],
    ['b.json', '{"de":{"name":"Germany","people":83},"Korea, South":{"name":"South \\"K\\"\\nKorea"}}'],
  ])('%s', async (name, contents) => {
    expect(await loadDictionaryFile(file(name, contents))).toEqual(expected)
  })
})

test('an object of keys may have an attribute that is called key', async () => {
  expect(await loadDictionaryFile(file('c.json', '{"a":{"key":"b"}}'))).toEqual([
    { key: 'a', attributes: { key: 'b' } },
  ])
})

describe('errors name the file, the line and what is wrong', () => {
  test.each([
    ['d.ndjson', '{"key":"a","x":1}\n\n{"key":"b"', /d\.ndjson, line 3: not valid JSON/],
    ['e.ndjson', '{"key":"a","x":1}\n{"key":"a","x":2}', /line 2: the key "a" occurs twice \(first at line 1\)/],
    ['f.ndjson', '{"x":1}', /line 1: its key is missing/],
    ['g.ndjson', '{"key":"a"}', /line 1: it has no attributes/],
    ['h.ndjson', '{"key":"a","x":[1]}', /line 1: attribute 'x' is not a string/],
    ['i.csv', 'name,x\na,b', /line 1: the header has no column 'key'; it has name, x/],
    ['j.csv', 'key,x,x\na,b,c', /line 1: the header has the column 'x' twice/],
    ['k.csv', 'key,x\n"a\nb",c\nd,e,f', /line 4: the row has 3 fields, but the header has 2/],
    ['l.csv', 'key,x\na,"b', /line 2: a double quote is misplaced/],
    ['m.json', '[{"key":"a","x":1},\n{"key":"b",}]', /m\.json, line 2: not valid JSON/],
    ['n.json', '[{"key":"a","x":1},7]', /entry 2: an entry must be an object/],
    ['o.json', '"x"', /neither an array of entries nor an object/],
    ['p.txt', 'x', /must end in/],
    ['q.ndjson', '\n\n', /it has no entries/],
    ['r.ndjson', `{"key":"${'x'.repeat(2_000)}","x":1}`, /2000 characters, but the limit keyCharsMax is 1024/],
    ['s.csv', Buffer.from([0x6b, 0xff]), /not UTF-8/],
  ])('%s', async (name, contents, message) => {
    await expect(loadDictionaryFile(file(name, contents))).rejects.toThrow(message)
  })

  test('a missing file, and one that is too large to be read', async () => {
    await expect(loadDictionaryFile(join(folder, 'none.csv'))).rejects.toThrow(/none\.csv: ENOENT/)
    const large = file('large.csv', '')
    truncateSync(large, DICTIONARY_FILE_LIMITS.fileBytesMax + 1)
    await expect(loadDictionaryFile(large)).rejects.toThrow(/the limit fileBytesMax/)
  })
})
