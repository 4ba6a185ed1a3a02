import { expect, test } from 'vitest'
import type { PlatformEvent } from '#telemetry/emit.ts'
import type { Platform } from '../roles/platform.ts'
import { runDemo } from './demo-source.ts'
import type { Service } from './service.ts'

test.each([
  [true, [/goes into meetup_rsvps, which is not among the datasets.*--dataset meetup_rsvps/]],
  [false, []],
])('a demo that is wanted (%s) and has no dataset says so', async (demo, messages) => {
  const told: PlatformEvent[] = []
  const service = { configuration: { demo }, emit: (event: PlatformEvent) => told.push(event) }
  await runDemo({ intakes: new Map() } as unknown as Platform, service as unknown as Service)
  expect(told.map(({ message }) => message)).toEqual(messages.map((message) => expect.stringMatching(message)))
})
