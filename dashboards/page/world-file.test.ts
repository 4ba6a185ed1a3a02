import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { worldFile } from './world-file.ts'

/** ISO 3166-1 */
const SMALL = ['sg', 'hk', 'mt', 'mo', 'bh', 'mv', 'li', 'ad']

interface World {
  readonly topology: { readonly objects: { readonly countries: { readonly geometries: { readonly id: string }[] } } }
  readonly codes: Readonly<Record<string, string>>
}

test('the map has the countries that small map files lack', () => {
  const modules = fileURLToPath(new URL('../../node_modules', import.meta.url))
  const { topology, codes } = JSON.parse(worldFile(modules).toString('utf8')) as World
  const ids = new Set(topology.objects.countries.geometries.map(({ id }) => id))
  expect(SMALL.filter((code) => !ids.has(codes[code]!))).toEqual([])
  expect(ids.has('000')).toBe(false)
})
