import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { S3Fixture } from '#tests/servers/s3-lakes.ts'
import { S3Proxy } from '#tests/servers/s3-proxy.ts'
import { whyNoS3 } from '#tests/servers/s3-server.ts'
import { compact, DATASET, type LakeUnderTest, land, landTens } from '../lake-contract-fixture.ts'
import { LocalLake } from '../local/local-lake.ts'
import { publishStates } from '../local/local-lake-fixture.ts'

describe.skipIf(whyNoS3() !== null)('a lake that is copied to an object store', () => {
  let s3: S3Fixture
  beforeAll(async () => {
    s3 = await S3Fixture.start()
  })
  afterAll(() => s3.stop())

  const under: LakeUnderTest = {
    open: () => Promise.reject(new Error('not used')),
    write: (_lake, staged, contents) => writeFile(staged.writePath, contents),
    read: async (lake, file) => {
      await lake.check([file])
      return readFile(lake.resolve(file), 'utf8')
    },
    close: async () => {},
  }

  async function folderLake(name: string): Promise<LocalLake> {
    const lake = await LocalLake.open({ folder: join(s3.folder, name), dataset: DATASET })
    const parts = await landTens(under, lake, 40)
    await compact(under, lake, parts.slice(0, 2))
    await land(under, lake, 1, 0, 7, 'other')
    await publishStates(lake, 'first')
    await publishStates(lake, 'second')
    await lake.refuse({ partition: 1, why: 'it was cut', atMs: 1 })
    return lake
  }

  it('is the same lake, with every file compared, also if the copy was interrupted at any request', async () => {
    const from = await folderLake('whole')
    const prefix = s3.prefix()
    const proxy = await S3Proxy.start(s3.server.endpoint)
    // Each attempt writes some more before its connection is refused for good.
    let kept = 0
    for (const allowed of [1, 4, 9, 30, Number.POSITIVE_INFINITY]) {
      let writes = 0
      proxy.refuse(({ method }) => method === 'PUT' && ++writes > allowed)
      const to = await s3.open(prefix, { endpoint: proxy.endpoint })
      const copied = from.copyTo(to)
      if (
        Number.isFinite(allowed) &&
        (await copied.then(
          () => false,
          () => true,
        ))
      ) {
        expect(await (await s3.open(prefix)).current()).toBeNull()
        continue
      }
      kept = (await copied).kept
      break
    }
    await proxy.stop()
    expect(kept).toBeGreaterThan(0)
    const there = await s3.open(prefix)
    expect(await there.chains(2)).toEqual(await from.chains(2))
    expect(await there.chains(2, { compacted: true })).toEqual(await from.chains(2, { compacted: true }))
    expect(await there.generations()).toEqual(await from.generations())
    expect(await there.current()).toEqual(await from.current())
    expect(await there.refusals()).toEqual(await from.refusals())
    const report = await there.verifyFiles()
    expect(report).toEqual(await from.verifyFiles())
    await expect(from.copyTo(there)).rejects.toMatchObject({
      code: 'already-committed',
      message: expect.stringContaining('a copy never changes it'),
    })
  })

  it('is refused where another lake is, or where a file came damaged', async () => {
    const from = await folderLake('refused')
    const prefix = s3.prefix()
    const to = await s3.open(prefix)
    await land(under, to, 3, 0, 10, 'of another lake')
    await expect(from.copyTo(to)).rejects.toThrow(/is not a segment of the lake to be copied/)
    const [chain] = await from.chains(1)
    const place = s3.prefix()
    const { path, bytes } = chain!.segments[0]!.events!
    await s3.store(place).put(`${DATASET}/${path}`, { text: 'x'.repeat(bytes) })
    await expect(from.copyTo(await s3.open(place))).rejects.toMatchObject({
      code: 'file-damaged',
      message: expect.stringContaining(path),
    })
    expect(await (await s3.open(place)).current()).toBeNull()
  })
})
