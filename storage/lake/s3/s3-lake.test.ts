import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe } from 'vitest'
import { S3Fixture } from '#tests/servers/s3-lakes.ts'
import { whyNoS3 } from '#tests/servers/s3-server.ts'
import { lakeContract } from '../lake-contract.ts'

describe.skipIf(whyNoS3() !== null)('a lake on a real S3 server', () => {
  let s3: S3Fixture
  beforeAll(async () => {
    s3 = await S3Fixture.start()
  })
  afterAll(() => s3.stop())

  lakeContract('S3', async () => {
    const prefix = s3.prefix()
    return {
      open: (step) => s3.open(prefix, { step }),
      write: (_lake, staged, contents) => writeFile(staged.writePath, contents),
      read: async (lake, file) => {
        await lake.check([file])
        return readFile(lake.resolve(file), 'utf8')
      },
      close: async () => {},
    }
  })
})
