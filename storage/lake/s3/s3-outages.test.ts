/** What the object store does to the lake: answers that are lost, throttling, late listings, a server that dies and comes back. */
import { statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { S3Fixture } from '#tests/servers/s3-lakes.ts'
import { S3Proxy } from '#tests/servers/s3-proxy.ts'
import { whyNoS3 } from '#tests/servers/s3-server.ts'
import { until } from '#tests/until.ts'
import { DATASET, emptyGeneration, emptySegment, type LakeUnderTest, land, landTens } from '../lake-contract-fixture.ts'
import { publishStates } from '../local/local-lake-fixture.ts'
import type { LakeFile } from '../segment-manifest.ts'

describe.skipIf(whyNoS3() !== null)('a lake on an object store with faults', () => {
  let s3: S3Fixture
  let proxy: S3Proxy
  let prefix: string
  let under: LakeUnderTest
  beforeAll(async () => {
    s3 = await S3Fixture.start()
  })
  afterAll(() => s3.stop())
  beforeEach(async () => {
    proxy = await S3Proxy.start(s3.server.endpoint)
    prefix = s3.prefix()
    under = {
      open: (step) => s3.open(prefix, { step, endpoint: proxy.endpoint }),
      write: (_lake, staged, contents) => writeFile(staged.writePath, contents),
      read: async (lake, file) => {
        await lake.check([file])
        return readFile(lake.resolve(file), 'utf8')
      },
      close: async () => {},
    }
  })
  afterEach(() => proxy.stop())

  const putsOf = (part: string) => (request: { method: string; path: string }) =>
    request.method === 'PUT' && request.path.includes(part)

  it('a commit whose answer was lost is this owner’s, and another one’s stays another one’s', async () => {
    const [one, two] = [await under.open(), await under.open()]
    proxy.inject('lose-answer', 1, putsOf('/manifests/p0000/0000000000/p0000-'))
    expect((await land(under, one, 0, 0, 10, 'mine')).commit).toEqual({ outcome: 'committed' })
    expect(proxy.injected).toBe(1)
    const won = await land(under, one, 0, 10, 20, 'won')
    proxy.inject('lose-answer', 1, putsOf('/manifests/p0000/0000000000/p0000-'))
    const { commit } = await land(under, two, 0, 10, 22, 'lost')
    expect(commit).toEqual({ outcome: 'lost', winner: won.manifest })
    expect((await two.chains(1))[0]!.end).toBe(20)
  })

  it('the same holds for locks, generations and CURRENT', async () => {
    const lake = await under.open()
    for (const part of ['/locks/', '/CLAIMED', '/manifest.json', '/CURRENT', '/states/'])
      proxy.inject('lose-answer', 1, putsOf(part))
    const lock = await lake.tryLock('batch')
    expect(lock).not.toBeNull()
    const first = await publishStates(lake, 'first')
    expect(await (await under.open()).current()).toEqual(first)
    proxy.inject('lose-answer', 1, putsOf('/CURRENT'))
    const second = await publishStates(lake, 'second')
    expect(await (await under.open()).current()).toEqual(second)
    expect(proxy.injected).toBe(6)
    await lock!.release()
    expect(await (await under.open()).tryLock('batch')).not.toBeNull()
  })

  it('throttling and slow answers pass', async () => {
    const lake = await under.open()
    proxy.inject('slow-down', 6, () => true)
    proxy.inject({ delayMs: 200 }, 4, () => true)
    const { manifest } = await land(under, lake, 0, 0, 10, 'a')
    expect(proxy.injected).toBe(10)
    expect(await under.read(await under.open(), manifest.events!)).toBe('events a')
  })

  it('a server that takes a request and says nothing more is asked again', async () => {
    const lake = await s3.open(prefix, { endpoint: proxy.endpoint, silenceMsMax: 300 })
    const isAsked = ({ path }: { path: string }): boolean => path.includes('/CURRENT')
    proxy.inject({ delayMs: 8_000 }, 1, isAsked)
    expect(await lake.current()).toBeNull()
    expect(proxy.seen.filter(isAsked)).toHaveLength(2)
  })

  it('a chain does not end where a late listing ends', async () => {
    const [writer, reader] = [await under.open(), await under.open()]
    const landed = await landTens(under, writer, 20)
    proxy.listWithout(/p0000-0*(10|20|30|40)\.json/)
    landed.push((await land(under, writer, 0, 20, 30, 'x')).manifest)
    expect((await reader.chains(1))[0]!.segments).toEqual(landed)
    expect((await reader.chain(0, 0)).segments).toEqual(landed)
    landed.push((await land(under, writer, 0, 30, 40, 'x')).manifest)
    expect((await reader.chains(1))[0]!.segments).toEqual(landed)
    const fresh = await under.open()
    await fresh.sweepOrphans(-60_000)
    proxy.listWithout(null)
    expect((await fresh.chains(1))[0]!.segments).toEqual(landed)
    expect((await fresh.verifyFiles()).problems).toEqual([])
  })

  it('a generation that a late listing lacks is current, and its number is not given again', async () => {
    const lake = await under.open()
    const first = await publishStates(lake, 'first')
    proxy.listWithout(/generations\/g000001/)
    const other = await under.open()
    expect(await other.current()).toEqual(first)
    expect((await other.beginGeneration()).id).toBe('g000002')
  })

  it('another look costs one request while nothing changes, and a commit is seen by the next one', async () => {
    const [writer, reader] = [await under.open(), await under.open()]
    await landTens(under, writer, 30)
    await reader.chains(2)
    await reader.chains(2)
    proxy.seen.length = 0
    await reader.chains(2)
    expect(proxy.seen.map(({ path }) => path)).toEqual([expect.stringContaining('/manifests/CHANGED')])
    await land(under, writer, 0, 30, 40, 'x')
    expect((await reader.chains(2))[0]!.end).toBe(40)
  })

  it('a run asks for none of the files that its base names, in whichever process it is', async () => {
    const first = await under.open()
    const [begun, files] = [await first.beginGeneration(), [] as LakeFile[]]
    for (let number = 0; number < 20; number++) {
      const staged = await begun.stageFile('states', 'v')
      await writeFile(staged.writePath, `states ${number}`)
      files.push(await staged.finish(1))
    }
    const base = { ...emptyGeneration(begun.id, [10]), views: { v: { hash: 'h', files } } }
    await begun.commit(base)
    await first.setCurrent(base.id)

    const next = await under.open()
    expect(await next.current()).toEqual(base)
    const staged = await next.beginGeneration()
    const kept = await Promise.all(files.map((file) => staged.refer('states', 'v', file)))
    const added = await staged.stageFile('states', 'v')
    await writeFile(added.writePath, 'more')
    const views = { v: { hash: 'h', files: [...kept, await added.finish(1)] } }
    proxy.seen.length = 0
    await staged.commit({ ...base, id: staged.id, mode: 'incremental', base: base.id, views })
    const asked = proxy.seen.filter(({ method }) => method === 'HEAD')
    expect(asked.map(({ path }) => path)).toEqual([expect.stringContaining(`/generations/${base.id}/manifest.json`)])
  })

  it('a large file is uploaded in parts, once, also if the last answer is lost', async () => {
    const lake = await s3.open(prefix, { endpoint: proxy.endpoint, cacheBytesMax: 100_000_000 })
    const staged = await lake.stageSegmentFile(0, 0, 'events')
    await writeFile(staged.writePath, Buffer.alloc(33 * 1024 * 1024, 'watershed'))
    const completes = (request: { method: string; path: string }): boolean =>
      request.method === 'POST' && request.path.includes('uploadId=')
    proxy.inject('lose-answer', 1, completes)
    const file = await staged.finish(1)
    expect(proxy.seen.filter(({ path }) => path.includes('partNumber='))).toHaveLength(3)
    const reader = await s3.open(prefix, { cacheBytesMax: 100_000_000 })
    await reader.check([file])
    expect(statSync(reader.resolve(file)).size).toBe(33 * 1024 * 1024)
  })

  it('a server that is killed and comes back has all that was answered', async () => {
    const lake = await s3.open(prefix)
    const direct = { ...under, open: () => s3.open(prefix) }
    const before = await land(direct, lake, 0, 0, 10, 'before')
    await s3.server.kill9()
    const next = emptySegment(0, 10, 20)
    const committing = until('it is committed', () => lake.commitSegment(next), { faultsPass: true })
    await s3.server.restart()
    // What was tried again after an outage can find its own commit.
    expect([{ outcome: 'committed' }, { outcome: 'lost', winner: next }]).toContainEqual(await committing)
    const [chain] = await (await s3.open(prefix)).chains(1)
    expect(chain).toMatchObject({ end: 20, segments: [before.manifest, { start: 10 }] })
  })

  it('says what is wrong with the address, the bucket and the credentials', async () => {
    const { endpoint } = s3.server
    await expect(s3.open(prefix, { bucket: 'no-such-bucket' })).rejects.toThrow(/the bucket does not exist; create it/)
    const credentials = { accessKeyId: 'nobody', secretAccessKey: 'nothing-at-all' }
    await expect(s3.open(prefix, { credentials, endpoint })).rejects.toMatchObject({
      code: 'not-writable',
      message: expect.stringMatching(/InvalidAccessKeyId.*access is denied; check the credentials/),
    })
  })

  it('a damaged object is refused by name, and one that was swept is missing', async () => {
    const writer = await under.open()
    const { manifest } = await land(under, writer, 0, 0, 10, 'a')
    const store = s3.store(prefix)
    await store.put(`${DATASET}/${manifest.events!.path}`, { text: 'events b' })
    const reader = await under.open()
    await expect(reader.check([manifest.events!])).rejects.toMatchObject({
      code: 'file-damaged',
      message: expect.stringContaining(`s3://lakes/${prefix}/${DATASET}/${manifest.events!.path}`),
    })
    await store.remove(`${DATASET}/${manifest.events!.path}`)
    await expect(reader.check([manifest.events!])).rejects.toMatchObject({ code: 'file-missing' })
    expect((await reader.verifyFiles()).problems).toEqual([expect.stringContaining('is missing')])
  })
})
