/** The demo streams of `watershed start`: generated events of the shipped datasets that are loaded, ingested like all other events. */
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'
import { runGenerator } from '#ingest/generator-source.ts'
import type { Platform } from '../roles/platform.ts'
import type { Service } from './service.ts'

/** Made, and not begun. @returns begins them, and resolves when all have stopped; immediately if they are disabled or no shipped dataset is loaded */
export async function demoStreams(platform: Platform, service: Service): Promise<() => Promise<void>> {
  const { configuration, emit } = service
  if (!configuration.demo) return () => Promise.resolve()
  const shipped = configuration.datasets.filter((entry) => Object.hasOwn(SHIPPED_DATASETS, entry))
  // The others have a source of their own, which the platform reads.
  const streams = await Promise.all(shipped.map((dataset) => demoOf(dataset, platform, service)))
  return async () => {
    if (shipped.length === 0) {
      const message = `demo: not started, because no shipped dataset is loaded; add one, for example --dataset ${Object.keys(SHIPPED_DATASETS)[0]}`
      emit({ name: 'demo-impossible', level: 'warn', message })
    }
    await Promise.all(streams.map((run) => run?.()))
  }
}

async function demoOf(
  dataset: string,
  platform: Platform,
  service: Service,
): Promise<(() => Promise<void>) | undefined> {
  const { configuration, emit, signal } = service
  const { demoEventsPerSecond: eventsPerSecond, demoSeed: seed } = configuration
  const generator = await SHIPPED_DATASETS[dataset]!.generator?.({ seed, startMs: Date.now() })
  if (generator === undefined) return undefined
  const onFault = (error: Error): void =>
    emit({ name: 'demo-fault', level: 'warn', dataset, message: `demo: ${error.message}` })
  return async () => {
    emit({
      name: 'demo-started',
      level: 'info',
      dataset,
      message: `demo: ingesting ${eventsPerSecond} generated events per second into ${dataset}; disable it with --no-demo, or load your own dataset with --dataset`,
      fields: { eventsPerSecond, seed },
    })
    platform.demos.set(dataset, eventsPerSecond)
    await runGenerator(platform.intakes.get(dataset)!, generator, { eventsPerSecond, signal, onFault })
  }
}
