/** Contract suite of the dictionary; dictionary.test.ts runs it for every driver. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { DictionaryStore } from './dictionary.ts'

/** An empty store. */
export interface DictionaryHarness {
  /** number of versions kept per dictionary */
  readonly versionsMax: number
  /** another handle on it, as in another process */
  open(): Promise<DictionaryStore>
  /** removes it; all handles are closed by then */
  close(): Promise<void>
}

export const entry = (key: string, name: string) => ({ key, attributes: { name } })

export function dictionaryContract(driver: string, make: () => Promise<DictionaryHarness>): void {
  describe(driver, () => {
    let harness: DictionaryHarness
    let store: DictionaryStore
    let other: DictionaryStore
    beforeEach(async () => {
      harness = await make()
      store = await harness.open()
      other = await harness.open()
    })
    afterEach(async () => {
      await store.close()
      await other.close()
      await harness.close()
    })

    test('other content is a new version beside the old one; the newest is what every handle sees', async () => {
      const first = await store.publish('countries', [entry('de', 'Germany'), entry('fr', 'France')])
      const second = await store.publish('countries', [entry('de', 'Deutschland')])
      expect(second).not.toBe(first)
      expect(await other.version('countries')).toBe(second)
      expect(await other.entries('countries', first)).toEqual([entry('de', 'Germany'), entry('fr', 'France')])
      expect(await other.entries('countries', second)).toEqual([entry('de', 'Deutschland')])
      expect(await store.version('unknown')).toBeNull()
    })

    test('the same content is the same version, in any order of keys and attributes; any other is not', async () => {
      const attributes = fc.dictionary(fc.string({ maxLength: 4 }), fc.string({ maxLength: 4 }), {
        maxKeys: 3,
        noNullPrototype: true,
      })
      const content = fc.dictionary(fc.string({ maxLength: 4 }), attributes, { maxKeys: 5, noNullPrototype: true })
      const known = new Map<string, string>()
      await fc.assert(
        fc.asyncProperty(content, async (keys) => {
          const entries = Object.entries(keys).map(([key, own]) => ({ key, attributes: own }))
          const turned = entries.toReversed().map(({ key, attributes: own }) => ({
            key,
            attributes: Object.fromEntries(Object.entries(own).reverse()),
          }))
          const version = await store.publish('any', entries)
          expect(await other.publish('any', turned)).toBe(version)
          const byKey = Object.fromEntries(
            (await store.entries('any', version)).map((each) => [each.key, each.attributes]),
          )
          expect(byKey).toEqual(keys)
          const canonical = JSON.stringify(
            entries.map((each) => [each.key, Object.entries(each.attributes).sort()]).sort(),
          )
          expect(known.get(version) ?? canonical).toBe(canonical)
          known.set(version, canonical)
        }),
        { numRuns: 50 },
      )
    })

    test('going back to earlier content makes it the newest again', async () => {
      const first = await store.publish('c', [entry('a', '1')])
      await store.publish('c', [entry('a', '2')])
      expect(await store.publish('c', [entry('a', '1')])).toBe(first)
      expect(await store.version('c')).toBe(first)
      expect(await store.entries('c', first)).toEqual([entry('a', '1')])
    })

    test('keeps the newest versions only, each dictionary for itself, and says when one is gone', async () => {
      const kept = await store.publish('other', [entry('a', '0')])
      const versions: string[] = []
      for (let i = 0; i <= harness.versionsMax; i++) versions.push(await store.publish('c', [entry('a', String(i))]))
      await expect(store.entries('c', versions[0]!)).rejects.toThrow(/'c'.*no longer kept/)
      for (const version of versions.slice(1)) expect(await other.entries('c', version)).toHaveLength(1)
      expect(await store.entries('other', kept)).toHaveLength(1)
    })

    test('refuses a key with two meanings, and keeps what was', async () => {
      const first = await store.publish('c', [entry('a', '1'), entry('a', '1')])
      await expect(store.publish('c', [entry('a', '1'), entry('a', '2')])).rejects.toThrow(/'c': key 'a' occurs twice/)
      expect(await store.version('c')).toBe(first)
    })

    test('published by two at once, each content is whole', async () => {
      const contents = Array.from({ length: 6 }, (_, i) =>
        Array.from({ length: 50 }, (__, key) => entry(`k${key}`, String(i))),
      )
      const versions = await Promise.all(contents.map((each, i) => (i % 2 ? store : other).publish('c', each)))
      expect(new Set(versions).size).toBe(6)
      for (const [i, version] of versions.entries()) {
        const names = (await store.entries('c', version)).map((each) => each.attributes.name)
        expect([names.length, [...new Set(names)]]).toEqual([50, [String(i)]])
      }
      expect(versions).toContain(await store.version('c'))
    })
  })
}
