/** The same question again while nothing changes, against a bare node:http server that sends the same bytes, in turns on the same core. */
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Asked, ask, cpuUsPerAnswer } from './asking.ts'
import { HttpConnection } from './http-connection.ts'
import { SERVER_CORE, spawnNode } from './pinned-process.ts'
import { appendRsvps, closeAndRecompute, TRENDING, withFolder } from './prepared-folder.ts'
import { ServerProcess } from './server-process.ts'

const EVENTS = 60_000
const ROUNDS = 3

interface Answering {
  readonly url: string
  readonly pid: number
  readonly stop: () => Promise<void>
}

async function bareServer(sample: string): Promise<Answering> {
  const connection = await HttpConnection.open(sample)
  const { body, head } = await connection.get(TRENDING)
  connection.close()
  const type = /\r\ncontent-type: *([^\r]+)/i.exec(head)![1]!
  const parameter = JSON.stringify({ type, body: body.toString('base64') })
  const child = spawnNode(join(import.meta.dirname, 'bare-server.ts'), [parameter], SERVER_CORE)
  const [url] = (await once(createInterface(child.stdout!), 'line')) as [string]
  const stop = async (): Promise<void> => {
    child.stdin!.end()
    await once(child, 'exit')
  }
  return { url, pid: child.pid!, stop }
}

const askAgain = ({ url, pid }: Answering, connections: number): Promise<Asked> =>
  ask({ url, server: pid, paths: [TRENDING], load: { kind: 'closed', connections }, warmMs: 500, forMs: 2_000 })

const bestOf = (rounds: readonly Asked[]): Asked =>
  rounds.toSorted((a, b) => b.answersPerSecond - a.answersPerSecond)[0]!

/** The best round of each: what other work on the machine takes away makes a round slower, never faster. */
async function compare(platform: Answering, bare: Answering, connections: number): Promise<Record<string, number>> {
  const [own, others]: [Asked[], Asked[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    own.push(await askAgain(platform, connections))
    others.push(await askAgain(bare, connections))
  }
  const [best, bareBest] = [bestOf(own), bestOf(others)]
  return {
    answersPerSecond: best.answersPerSecond,
    bareAnswersPerSecond: bareBest.answersPerSecond,
    againstBare: best.answersPerSecond / bareBest.answersPerSecond,
    p50Ms: best.p50Ms,
    p99Ms: best.p99Ms,
    cpuUsPerAnswer: cpuUsPerAnswer(best),
    bareCpuUsPerAnswer: cpuUsPerAnswer(bareBest),
    othersCores: Math.max(best.othersCores, bareBest.othersCores),
    failed: own.reduce((sum, { failed }) => sum + failed, 0),
  }
}

export function settledAnswers(): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    await appendRsvps(folder, EVENTS, Date.now() - 300_000, Date.now())
    await closeAndRecompute({ folder })
    const server = await ServerProcess.start({ folder, core: SERVER_CORE })
    const bare = await bareServer(server.url)
    try {
      const one = await compare(server, bare, 1)
      const ten = await compare(server, bare, 10)
      const tenConnections = Object.entries(ten).map(([name, value]) => [`tenConnections:${name}`, value])
      return { ...one, ...Object.fromEntries(tenConnections), residentMib: server.residentMib }
    } finally {
      await bare.stop()
      await server.stop(true)
    }
  })
}
