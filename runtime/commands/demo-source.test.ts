import { expect, test } from 'vitest'
import type { PlatformEvent } from '#telemetry/emit.ts'
import type { Platform } from '../roles/platform.ts'
import type { Configuration } from '../settings/settings.ts'
import { demoGenerators, runDemo } from './demo-source.ts'
import type { Service } from './service.ts'

test.each([
  [true, [/not started, because no shipped dataset is loaded.*--dataset meetup_rsvps/]],
  [false, []],
])('a requested demo (%s) without a shipped dataset is reported', async (demo, messages) => {
  const told: PlatformEvent[] = []
  const configuration = { demo, datasets: ['./mine.ts'] }
  const service = { configuration, emit: (event: PlatformEvent) => told.push(event) }
  const generators = await demoGenerators(configuration as unknown as Configuration)
  await runDemo({ intakes: new Map() } as unknown as Platform, service as unknown as Service, generators)
  expect(told.map(({ message }) => message)).toEqual(messages.map((message) => expect.stringMatching(message)))
})
