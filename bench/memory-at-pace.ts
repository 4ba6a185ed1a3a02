/**
 * Memory of `start` over time at the pace of a small production: BENCH_PACE events a second (default 100) of the demo for BENCH_MINUTES
 * (default 60), and beside it of another one at rest, as the limit of a container counts it, and as the sum of what each process has.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { occupiedMib, residentMib } from './serving/process-usage.ts'

const SAMPLE_EVERY_MS = 10_000
const MS_PER_HOUR = 3_600_000

interface Sample {
  readonly hours: number
  readonly occupied: number
  readonly resident: number
}

/** @returns of both: MiB at the end and at most, and the slope of the second half in MiB per hour (least squares) */
export async function memoryAtPace(): Promise<Record<string, number>> {
  const minutes = Number(process.env.BENCH_MINUTES ?? 60)
  const eventsPerSecond = Number(process.env.BENCH_PACE ?? 100)
  const [underLoad, atRest] = await Promise.all([
    memoryOver(minutes, ['--demo', '--demo-rate', String(eventsPerSecond)]),
    memoryOver(minutes, ['--no-demo']),
  ])
  const ofRest = Object.entries(atRest).map(([name, figure]) => [
    `atRest${name[0]!.toUpperCase()}${name.slice(1)}`,
    figure,
  ])
  return { minutes, eventsPerSecond, ...underLoad, ...Object.fromEntries(ofRest) }
}

async function memoryOver(minutes: number, demo: readonly string[]): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
  const parameters = ['start', ...demo, '--data', folder, '--port', '0', '--json', '--log-level', 'error']
  const child = spawn(join(import.meta.dirname, '../watershed'), parameters, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(createInterface(child.stdout), 'line')
    const samples = await sampled(child.pid!, minutes)
    const end = samples.at(-1)!
    return {
      occupiedMib: end.occupied,
      occupiedMibMax: Math.max(...samples.map(({ occupied }) => occupied)),
      residentSumMib: end.resident,
      slopeMibPerHour: slopePerHour(samples.slice(Math.floor(samples.length / 2))),
    }
  } finally {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  }
}

async function sampled(pid: number, minutes: number): Promise<readonly Sample[]> {
  const samples: Sample[] = []
  // Time in which all of it is stopped, for instance while another bench needs the processors, does not count.
  for (let ms = SAMPLE_EVERY_MS; ms <= minutes * 60_000; ms += SAMPLE_EVERY_MS) {
    await sleep(SAMPLE_EVERY_MS)
    samples.push({ hours: ms / MS_PER_HOUR, occupied: occupiedMib(pid), resident: residentMib(pid) })
  }
  return samples
}

function slopePerHour(samples: readonly Sample[]): number {
  const mean = (of: (sample: Sample) => number): number =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length
  const [x, y] = [mean(({ hours }) => hours), mean(({ occupied }) => occupied)]
  return mean(({ hours, occupied }) => (hours - x) * (occupied - y)) / mean(({ hours }) => (hours - x) ** 2)
}
