import { expect, test } from 'vitest'
import { withoutPaths } from './without-paths.ts'

test.each([
  ['log /var/lib/ws/log/shop.sqlite: the file was deleted', 'log shop.sqlite: the file was deleted'],
  ["lake: writing '/home/my data/lake/shop/CURRENT': the disk is full", "lake: writing 'CURRENT': the disk is full"],
  [
    'IO Error: Cannot open file "/d/lake/shop/a.parquet": No such file',
    'IO Error: Cannot open file "a.parquet": No such file',
  ],
  ["ENOENT: no such file or directory, open '/d/x.json'", "ENOENT: no such file or directory, open 'x.json'"],
  ['the folder /srv/data/lake/ is not writable', 'the folder lake is not writable'],
  ['no answer of http://search:9200/shop/_search and https://user@host/a/b', null],
  ['1/2 of the files, text/plain, a/b/c', null],
  ['a relative ./log/shop.sqlite and ../x/y', null],
] as const)('%s', (text, shown) => {
  expect(withoutPaths(text)).toBe(shown ?? text)
})
