/** What every shipped dataset offers: a definition, a first question that it answers, and a generator whose events it takes. */
import { describe, expect, test } from 'vitest'
import { eventCheck } from '#core/check-event.ts'
import type { DatasetDefinition } from '#core/definition.ts'
import { SHIPPED_DATASETS } from './shipped.ts'

const START_MS = Date.UTC(2026, 2, 1)

describe.each(Object.entries(SHIPPED_DATASETS))('%s', (name, shipped) => {
  const { generator: make } = shipped
  const lines = async (seed: number): Promise<string[]> => {
    const generator = await make!({ seed, startMs: START_MS })
    return Array.from({ length: 500 }, () => generator.next())
  }
  const definitionOf = async (): Promise<DatasetDefinition> => (await import(shipped.definition)).default

  test('its definition has its name, and the view or series of its first question', async () => {
    const definition = await definitionOf()
    expect(definition.name).toBe(name)
    expect(make !== undefined || (definition.sources ?? []).length > 0).toBe(true)
    expect([...Object.keys(definition.views), ...Object.keys(definition.series ?? {})]).toContain(
      shipped.firstQuestion.split('?')[0],
    )
  })

  test.skipIf(make === undefined)('the same seed and start make the same events, another seed others', async () => {
    expect(await lines(3)).toEqual(await lines(3))
    expect(await lines(4)).not.toEqual(await lines(3))
  })

  test.skipIf(make === undefined)('nearly all generated events are taken', async () => {
    const { check } = eventCheck(await definitionOf())
    const isTaken = (line: string): boolean => {
      try {
        return check(JSON.parse(line), line, START_MS).ok
      } catch {
        return false
      }
    }
    expect((await lines(5)).filter(isTaken).length).toBeGreaterThan(450)
  })
})
