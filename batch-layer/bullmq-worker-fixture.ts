/**
 * A batch worker in a separate process, to be killed: node bullmq-worker-fixture.ts <options as JSON>. It prints the progress of its
 * run to stdout, one word per line, and takes the dataset's lock, as a batch run does.
 */
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { BullMqSchedule, type BullMqTimes } from './bullmq-schedule.ts'
import { publishEmpty } from './empty-generation-fixture.ts'

export interface WorkerOptions {
  readonly url: string
  readonly folder: string
  readonly dataset: string
  readonly times: Partial<BullMqTimes>
  /** what its runs do once they hold the lock */
  readonly deed: 'publish' | 'hang'
}

const { url, folder, dataset, times, deed } = JSON.parse(process.argv[2]!) as WorkerOptions
const tell = (word: string): void => void process.stdout.write(`${word}\n`)
const lake = await LocalLake.open({ folder, dataset })
const schedule = new BullMqSchedule({
  url,
  lake,
  times,
  fullPattern: null,
  // No tick of the clock makes a second job while a test looks at the first, which is due at once.
  incrementalPattern: '0 0 29 2 *',
  emit: ({ name, message }) => tell(`${name}: ${message}`),
  run: async (mode, signal) => {
    const lock = await lake.tryLock('batch')
    tell(lock === null ? 'locked' : 'began')
    if (lock === null) return null
    try {
      if (deed === 'hang')
        await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      const generation = await publishEmpty(lake, mode, Date.now(), Date.now())
      tell('published')
      return generation
    } finally {
      await lock.release()
    }
  },
})
process.once('SIGTERM', () => {
  void schedule.stop().then(() => process.exit(0))
})
schedule.start()
