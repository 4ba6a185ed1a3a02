/** The demo streams of `watershed start`: generated events of the shipped datasets that are loaded, ingested like all other events. */
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'
import { runGenerator } from '#ingest/generator-source.ts'
import type { Platform } from '../roles/platform.ts'
import type { Service } from './service.ts'

/** Resolves when all demo streams have stopped; immediately if they are disabled or no shipped dataset is loaded. */
export async function runDemo(platform: Platform, service: Service): Promise<void> {
  const { configuration, emit } = service
  if (!configuration.demo) return
  const shipped = configuration.datasets.filter((entry) => Object.hasOwn(SHIPPED_DATASETS, entry))
  if (shipped.length === 0) {
    const message = `demo: not started, because no shipped dataset is loaded; add one, for example --dataset ${Object.keys(SHIPPED_DATASETS)[0]}`
    emit({ name: 'demo-impossible', level: 'warn', message })
    return
  }
  // The others have a source of their own, which the platform reads.
  await Promise.all(
    shipped.map((dataset) => SHIPPED_DATASETS[dataset]!.generator && runDemoOf(dataset, platform, service)),
  )
}

async function runDemoOf(dataset: string, platform: Platform, service: Service): Promise<void> {
  const { configuration, emit, signal } = service
  const { demoEventsPerSecond: eventsPerSecond, demoSeed: seed } = configuration
  emit({
    name: 'demo-started',
    level: 'info',
    dataset,
    message: `demo: ingesting ${eventsPerSecond} generated events per second into ${dataset}; disable it with --no-demo, or load your own dataset with --dataset`,
    fields: { eventsPerSecond, seed },
  })
  const generator = await SHIPPED_DATASETS[dataset]!.generator!({ seed, startMs: Date.now() })
  const onFault = (error: Error): void =>
    emit({ name: 'demo-fault', level: 'warn', dataset, message: `demo: ${error.message}` })
  platform.demos.set(dataset, eventsPerSecond)
  await runGenerator(platform.intakes.get(dataset)!, generator, { eventsPerSecond, signal, onFault })
}
