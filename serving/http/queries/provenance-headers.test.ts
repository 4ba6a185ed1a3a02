import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ageHeaders, lastingHeaders, PARTITIONS_IN_HEADERS_MAX } from './provenance-headers.ts'

const removed = { before: '2026-01-01T00:00:00.000Z', grain: null, from: null, to: null, why: '' }
const META = { removed, generation: null, exact: true, gapFree: true, truncated: false, totals: { revenue: 'ü' } }

test('offsets are left out where there are too many partitions', () => {
  const offsets = Array.from({ length: PARTITIONS_IN_HEADERS_MAX }, () => Number.MAX_SAFE_INTEGER)
  const most = lastingHeaders({ ...META, position: offsets, boundary: offsets })
  expect(Object.values(most).join('').length).toBeLessThan(4_096)
  const more = lastingHeaders({ ...META, position: [...offsets, 0], boundary: [...offsets, 0] })
  expect(Object.keys(most).filter((name) => !(name in more))).toEqual(['watershed-position', 'watershed-boundary'])
})

test('docs/reference/http.md names every header', () => {
  const text = readFileSync(new URL('../../../docs/reference/http.md', import.meta.url), 'utf8')
  const documented = [...text.matchAll(/^\| `(Watershed-[\w-]+)` \|/gm)].map(([, name]) => name!.toLowerCase())
  const all = {
    ...lastingHeaders({ ...META, position: [0], boundary: [0] }),
    ...ageHeaders({ behind: null, asOf: null }),
  }
  expect(documented).toEqual(Object.keys(all))
})
