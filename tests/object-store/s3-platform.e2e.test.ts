/** A platform whose lake is in a bucket: counted exactly, also after it was killed in a batch run, and answered by a process that shares only the bucket and the log. */
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { S3Store } from '#storage/lake/s3/s3-store.ts'
import { byTopic, DATASET, linesOf, notes, notesDefinition } from '../faults/notes.ts'
import { type Answer, RunningPlatform, watershed } from '../faults/watershed.ts'
import { S3_CREDENTIALS, type S3Server, startS3, whyNoS3 } from '../servers/s3-server.ts'
import { until } from '../until.ts'

const BY_TOPIC = `/v1/datasets/${DATASET}/views/by_topic`
const BUCKET = 'lakes'
/** as the usual chain finds them */
const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: S3_CREDENTIALS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: S3_CREDENTIALS.secretAccessKey,
}

interface Job {
  readonly id: string
  readonly state: string
}

describe.skipIf(whyNoS3() !== null)('a platform with its lake in a bucket', () => {
  let server: S3Server
  let folder: string
  let definition: string
  let words: readonly string[]
  let running: RunningPlatform[] = []
  beforeAll(async () => {
    server = await startS3()
    await server.makeBucket(BUCKET)
    Object.assign(process.env, CREDENTIALS)
  })
  afterAll(async () => {
    for (const name of Object.keys(CREDENTIALS)) delete process.env[name]
    await server.stop()
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'watershed-s3-platform-'))
    definition = join(folder, 'notes.ts')
    await writeFile(definition, notesDefinition('watershed'))
    const lake = ['--lake', `s3://${BUCKET}/${folder.slice(-6)}`, '--s3-endpoint', server.endpoint]
    words = ['--dataset', definition, ...lake, '--set', 's3.lockMs=1500']
  })
  afterEach(async () => {
    for (const platform of running) await platform.kill()
    running = []
    await rm(folder, { recursive: true, force: true })
  })

  const started = async (starting: Promise<RunningPlatform>): Promise<RunningPlatform> => {
    const platform = await starting
    running.push(platform)
    return platform
  }
  const send = async (platform: RunningPlatform, from: number, to: number): Promise<void> => {
    const reply = await platform.post(DATASET, linesOf(notes(from, to)))
    expect(reply.status, reply.body).toBe(202)
  }
  const counted = (platform: RunningPlatform, rows: number): Promise<Answer> =>
    until(
      `a generation counts ${rows} events`,
      async () => {
        const answer = await platform.answer(BY_TOPIC)
        return answer.meta.rows.batch === rows ? answer : null
      },
      { said: () => platform.said },
    )

  test('counts every event once, also when it is killed in a batch run', async () => {
    const data = join(folder, 'data')
    const first = await started(RunningPlatform.start(data, words))
    await send(first, 0, 500)
    expect((await counted(first, 500)).data).toEqual(byTopic(notes(0, 500)))
    expect(await first.stop()).toBe(0)

    const dying = await started(RunningPlatform.start(data, words, { WATERSHED_CRASH_AT: 'generation:before-current' }))
    await send(dying, 500, 700)
    await dying.ended

    const last = await started(RunningPlatform.start(data, words))
    await send(last, 700, 800)
    expect((await counted(last, 800)).data).toEqual(byTopic(notes(0, 800)))

    const elsewhere = join(folder, 'elsewhere')
    await mkdir(elsewhere)
    for (const part of ['log', 'speed']) await symlink(join(data, part), join(elsewhere, part))
    const other = await started(RunningPlatform.serve(elsewhere, words, {}))
    expect((await counted(other, 800)).data).toEqual(byTopic(notes(0, 800)))
    const views = `/v1/datasets/${DATASET}/saved-views`
    const asked = (body: object): RequestInit => ({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const saved = await last.get(views, asked({ name: 'Tea', parameters: 'f.topic=tea' }))
    expect(saved.status, saved.body).toBe(201)
    const { savedViews } = JSON.parse((await other.get(views)).body) as { savedViews: object[] }
    expect(savedViews).toEqual([JSON.parse(saved.body)])
    // Asked for here, run where there is a batch role.
    const job = JSON.parse((await other.get(`/v1/datasets/${DATASET}/jobs`, asked({ kind: 'verify' }))).body) as Job
    const isOver = async (): Promise<Job | false> => {
      const now = JSON.parse((await other.get(`/v1/datasets/${DATASET}/jobs/${job.id}`)).body) as Job
      return now.state !== 'waiting' && now.state !== 'running' && now
    }
    expect(await until('the job is over', isOver, { withinMs: 60_000 })).toMatchObject({ state: 'done' })
    expect(await readdir(join(elsewhere, 'lake'))).toEqual([])
    expect(await readdir(join(data, 'lake'))).toEqual([])
    expect(await other.stop()).toBe(0)
    expect(await last.stop()).toBe(0)

    const verified = await watershed(['verify', ...words], data)
    expect(verified.code, verified.stdout + verified.stderr).toBe(0)
  })

  test('goes on with the lake of a folder that was copied', async () => {
    const [data, events] = [join(folder, 'data'), join(folder, 'events.ndjson')]
    const inFolder = ['--dataset', definition]
    await writeFile(events, linesOf(notes(0, 300)).join('\n'))
    const done = async (...command: string[]): Promise<string> => {
      const ran = await watershed(command, data)
      expect(ran.code, ran.stdout + ran.stderr).toBe(0)
      return ran.stdout
    }
    await done('ingest', DATASET, events, ...inFolder)
    await done('batch', 'run', ...inFolder)
    const beside = ['replays/0-0/0-5.json', 'views/abcdefghijkl.json']
    for (const name of beside) {
      const path = join(data, name.replace('/', `/${DATASET}/`))
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, `${name}\n`)
    }
    const [copied] = JSON.parse(await done('lake', 'copy', '--json', ...words)) as [Record<string, number>]
    expect(copied).toMatchObject({ dataset: DATASET, kept: 0, generations: 1 })
    expect(copied.files).toBeGreaterThan(2)
    const place = {
      bucket: BUCKET,
      prefix: `${folder.slice(-6)}/${DATASET}`,
      endpoint: server.endpoint,
      pathStyle: true,
    }
    const store = new S3Store({ ...place, credentials: S3_CREDENTIALS })
    for (const name of beside) expect(await store.get(name)).toMatchObject({ text: `${name}\n` })
    const again = await watershed(['lake', 'copy', ...words], data)
    expect([again.code, again.stderr]).toEqual([74, expect.stringContaining('a copy never changes it')])
    // The folder is not read any more.
    await rm(join(data, 'lake'), { recursive: true })
    await mkdir(join(data, 'lake'))
    await done('ingest', DATASET, events, ...words)
    await done('batch', 'run', ...words)
    const answer = JSON.parse(await done('query', DATASET, 'by_topic', '--json', ...words)) as Answer
    expect(answer.data).toEqual(byTopic([...notes(0, 300), ...notes(0, 300)]))
    await done('verify', ...words)
  })

  test('who signs in on one machine is signed in on the other, and signed out on both', async () => {
    const keys = { WATERSHED_KEYS: 'a-key-of-this-platform' }
    const machines = await Promise.all(
      ['one', 'two'].map((name) => started(RunningPlatform.start(join(folder, name), words, keys))),
    )
    const [one, two] = machines as [RunningPlatform, RunningPlatform]
    const views = `/v1/datasets/${DATASET}/saved-views`
    const own = { 'sec-fetch-site': 'same-origin' }
    const signIn = await one.get('/v1/session', {
      method: 'POST',
      headers: { ...own, 'content-type': 'application/json' },
      body: JSON.stringify({ key: keys.WATERSHED_KEYS }),
    })
    expect(signIn.status, signIn.body).toBe(200)
    // Browsers and load balancers have one name for both; the cookie's name has the port of the address that was asked.
    const value = /_session_\d+=([\w-]+)/.exec(signIn.cookie)![1]
    const status = async (platform: RunningPlatform): Promise<number> => {
      const cookie = `watershed_session_${platform.port}=${value}`
      return (await platform.get(views, { headers: { ...own, cookie } })).status
    }
    expect([await status(one), await status(two)]).toEqual([200, 200])
    const headers = { ...own, cookie: `watershed_session_${two.port}=${value}` }
    expect((await two.get('/v1/session', { method: 'DELETE', headers })).status).toBe(200)
    expect(await status(two)).toBe(401)
    await until('the other one notices', async () => (await status(one)) === 401, { withinMs: 30_000 })
  })

  test('refuses what cannot be, and says what to do', async () => {
    const data = join(folder, 'data')
    const refused = async (more: readonly string[]) => watershed(['ingest', DATASET, '-', ...words, ...more], data)
    const address = await refused(['--lake', 'bucket/lake'])
    expect([address.code, address.stderr]).toEqual([78, expect.stringMatching(/lake .*must be s3:\/\/<bucket>/)])
    const bucket = await refused(['--lake', 's3://no-such-bucket/lake'])
    expect([bucket.code, bucket.stderr]).toEqual([74, expect.stringMatching(/the bucket does not exist; create it/)])
  })
})
