import { expect, test } from 'vitest'
import type { PlatformEvent } from '#telemetry/emit.ts'
import type { Platform } from '../roles/platform.ts'
import { runDemo } from './demo-source.ts'
import type { Service } from './service.ts'

test.each([
  [true, [/not started, because its dataset meetup_rsvps is not loaded.*--dataset meetup_rsvps/]],
  [false, []],
])('a requested demo (%s) without its dataset is reported', async (demo, messages) => {
  const told: PlatformEvent[] = []
  const service = { configuration: { demo }, emit: (event: PlatformEvent) => told.push(event) }
  await runDemo({ intakes: new Map() } as unknown as Platform, service as unknown as Service)
  expect(told.map(({ message }) => message)).toEqual(messages.map((message) => expect.stringMatching(message)))
})
