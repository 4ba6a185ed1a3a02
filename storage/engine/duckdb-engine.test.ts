import { mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DuckDbEngine } from './duckdb-engine.ts'
import type { EngineChunk } from './engine-chunk.ts'
import type { EngineConnection } from './engine-connection.ts'
import { TextSpace } from './text-space.ts'

const zone = process.env.TZ
let engine: DuckDbEngine
beforeAll(async () => {
  process.env.TZ = 'Asia/Tokyo'
  engine = await DuckDbEngine.open({ folders: [], threads: 1 })
})
afterAll(() => {
  engine.close()
  if (zone === undefined) delete process.env.TZ
  else process.env.TZ = zone
})

test("every connection tells times in UTC, whatever the machine's zone", async () => {
  for (const connection of [await engine.connect(), await engine.connect()]) {
    const [row] = await connection.rows(
      `SELECT current_setting('TimeZone') AS zone, epoch_ms(0)::TIMESTAMPTZ::VARCHAR AS text, epoch_ms('1970-01-01 00:00:00'::TIMESTAMPTZ) AS ms`,
    )
    expect(row).toEqual({ zone: 'UTC', text: '1970-01-01 00:00:00+00', ms: 0 })
  }
})

test('a connection that is told to stop ends what it runs and does nothing more', async () => {
  const long = 'SELECT count(*) FROM range(1000000) AS a, range(1000000) AS b WHERE hash(a.range, b.range) = 1'
  const running = await engine.connect()
  const result = running.rows(long)
  running.stop()
  await expect(result).rejects.toThrow(/INTERRUPT/)
  await expect(running.rows('SELECT 1')).rejects.toThrow(/INTERRUPT/)
  running.close()
  const between = await engine.connect()
  await between.run('SELECT 1')
  between.stop()
  await expect(between.run('SELECT 1')).rejects.toThrow(/INTERRUPT/)
  between.close()
})

test('tables in memory are packed when 16 MB were written, or never', async () => {
  const thresholdOf = async (packTables: boolean): Promise<unknown> => {
    const own = await DuckDbEngine.open({ folders: [], threads: 1, packTables })
    try {
      const connection = await own.connect()
      return (await connection.rows("SELECT current_setting('checkpoint_threshold') AS bytes"))[0]
    } finally {
      own.close()
    }
  }
  expect([await thresholdOf(true), await thresholdOf(false)]).toEqual([{ bytes: '16.0 MiB' }, { bytes: '931.3 GiB' }])
})

test('memory that an idle thread freed goes back to the system', async () => {
  const connection = await engine.connect()
  const [row] = await connection.rows(`SELECT current_setting('allocator_background_threads') AS "background"`)
  expect(row).toEqual({ background: true })
})

test('what was read of a file does not stay in memory', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-'))
  const kept = async (keepFileData: boolean): Promise<number> => {
    const own = await DuckDbEngine.open({ folders: [folder], threads: 1, keepFileData })
    const connection = await own.connect()
    const file = join(folder, `${keepFileData}.parquet`)
    await connection.run(`COPY (SELECT hash(n) AS h FROM range(100000) AS r(n)) TO '${file}' (FORMAT parquet)`)
    await connection.rows(`SELECT sum(h) AS h FROM read_parquet('${file}')`)
    const [row] = await connection.rows<{ bytes: number }>(
      `SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT AS bytes FROM duckdb_memory() WHERE tag = 'EXTERNAL_FILE_CACHE'`,
    )
    own.close()
    return row!.bytes
  }
  expect(await kept(true)).toBeGreaterThan(0)
  expect(await kept(false)).toBe(0)
  rmSync(folder, { recursive: true })
})

test('a connection may keep the footers of files: what was modified is read again, and other settings stay locked', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-'))
  const own = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const file = join(folder, 'states.parquet')
  const keeping = await own.connect({ keepFooters: true })
  /** Footers of files that were modified just now are not kept. */
  const write = async (rows: number, secondsAgo: number): Promise<void> => {
    await keeping.run(`COPY (FROM range(${rows}) AS r(n)) TO '${file}' (FORMAT parquet)`)
    const at = Date.now() / 1_000 - secondsAgo
    utimesSync(file, at, at)
  }
  const count = async (connection: EngineConnection): Promise<number> =>
    (await connection.rows<{ n: number }>(`SELECT count(*) AS n FROM read_parquet('${file}')`))[0]!.n
  const kept = async (): Promise<number> => {
    const tag = "tag = 'OBJECT_CACHE'"
    return (
      await keeping.rows<{ bytes: number }>(`SELECT memory_usage_bytes AS bytes FROM duckdb_memory() WHERE ${tag}`)
    )[0]!.bytes
  }
  try {
    await write(10, 100)
    expect(await count(await own.connect())).toBe(10)
    const before = await kept()
    expect(await count(await own.connect())).toBe(10)
    expect(await kept()).toBe(before)
    expect(await count(keeping)).toBe(10)
    expect(await kept()).toBeGreaterThan(before)
    await write(20, 50)
    expect(await count(keeping)).toBe(20)
    await expect(keeping.run('SET threads = 4')).rejects.toThrow(/locked/)
  } finally {
    own.close()
    rmSync(folder, { recursive: true })
  }
})

test('an engine beside another has the same folders, but its own tables and memory', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-'))
  const first = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const limits = { threads: 1, memoryLimit: '64MB', limitNames: 'mine = 64', spillFolder: folder }
  const beside = await first.openBeside(limits)
  const [one, other] = [await first.connect(), await beside.connect()]
  const file = join(folder, 'n.parquet')
  try {
    await one.run(`CREATE TABLE kept AS FROM range(3) AS r(n)`)
    await one.run(`COPY kept TO '${file}' (FORMAT parquet)`)
    expect(await other.rows(`SELECT count(*) AS n FROM read_parquet('${file}')`)).toEqual([{ n: 3 }])
    await expect(other.run('FROM kept')).rejects.toThrow(/kept does not exist/)
    await expect(other.run("FROM read_csv('/etc/hostname')")).rejects.toThrow(/Permission/)
    // A list cannot be spilled.
    const list = 'SELECT len(list(n)) FROM range(20_000_000) AS r(n)'
    await expect(other.run(list)).rejects.toThrow(/its limits \(mine = 64\)/)
    expect(await one.rows(`SELECT len(list(n)) AS n FROM range(1_000_000) AS r(n)`)).toEqual([{ n: 1_000_000 }])
  } finally {
    for (const connection of [one, other]) connection.close()
    for (const engine of [first, beside]) engine.close()
    rmSync(folder, { recursive: true })
  }
})

test('a connection of one thread has the same folders as the others, and is closed with them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-'))
  const own = await DuckDbEngine.open({
    folders: [folder],
    threads: 3,
    memoryLimit: '64MB',
    spillFolder: join(folder, 'spill'),
  })
  const [several, one, again] = [
    await own.connect(),
    await own.connect({ oneThread: true }),
    await own.connect({ oneThread: true }),
  ]
  const settings = `SELECT current_setting('threads') AS threads, current_setting('memory_limit') AS memory`
  const file = join(folder, 'n.parquet')
  try {
    const [{ memory }] = (await several.rows(settings)) as [{ memory: string }]
    expect(await several.rows(settings)).toEqual([{ threads: 3, memory }])
    expect(await one.rows(settings)).toEqual([{ threads: 1, memory }])
    await one.run(`COPY (FROM range(3) AS r(n)) TO '${file}' (FORMAT parquet)`)
    expect(await several.rows(`SELECT count(*) AS n FROM '${file}'`)).toEqual([{ n: 3 }])
    await expect(one.run("FROM read_csv('/etc/hostname')")).rejects.toThrow(/Permission/)
    // Both are of one engine.
    await one.run('CREATE TABLE kept AS FROM range(2)')
    expect(await again.rows('SELECT count(*) AS n FROM kept')).toEqual([{ n: 2 }])
    // Sorts that do not fit into memory, at the same time: neither uses the other's files.
    const sorted = 'SELECT max(n) AS n FROM (SELECT n FROM range(3_000_000) AS r(n) ORDER BY hash(n) LIMIT 2_900_000)'
    const alone = await one.rows(sorted)
    expect(await Promise.all([several.rows(sorted), one.rows(sorted)])).toEqual([alone, alone])
  } finally {
    for (const connection of [several, one, again]) connection.close()
    own.close()
    rmSync(folder, { recursive: true })
  }
})

test('an engine of one thread makes no other for connections of one thread', async () => {
  const single = await DuckDbEngine.open({ folders: [], threads: 1 })
  const [plain, one] = [await single.connect(), await single.connect({ oneThread: true })]
  try {
    await plain.run('CREATE TABLE kept AS FROM range(2)')
    expect(await one.rows('SELECT count(*) AS n FROM kept')).toEqual([{ n: 2 }])
  } finally {
    for (const connection of [plain, one]) connection.close()
    single.close()
  }
})

test('an error between the rows of a stream is an error, and not its end', async () => {
  const connection = await engine.connect()
  const failing = "SELECT CASE WHEN n < 200000 THEN n ELSE error('too late') END AS n FROM range(300000) AS r(n)"
  const countRows = async (sql: string): Promise<number> => {
    let rows = 0
    for await (const chunk of connection.chunks(sql)) rows += chunk.rows
    return rows
  }
  await expect(countRows(failing)).rejects.toThrow('failed before the last row')
  const drained = async (): Promise<void> => {
    for await (const [values] of connection.stream(failing)) expect(values!.length).toBeGreaterThan(0)
  }
  await expect(drained()).rejects.toThrow('failed before the last row')
  expect(await countRows('FROM range(300000)')).toBe(300_000)
  connection.close()
})

test('chunks keep their values while the engine computes the ones after them', async () => {
  const connection = await engine.connect()
  const chunks: EngineChunk[] = []
  for await (const chunk of connection.chunks("SELECT n, 'the text of row ' || n FROM range(20000) AS r(n)"))
    chunks.push(chunk)
  const read = chunks.flatMap((chunk) => {
    const space = new TextSpace(chunk.rows)
    chunk.appendTexts(1, space, 0)
    const all = Buffer.from(space.bytes).toString()
    const ends = space.offsets(chunk.rows)
    return chunk.values(0).map((n, row) => [n, all.slice(ends[row], ends[row + 1])])
  })
  expect(chunks.length).toBeGreaterThan(2)
  expect(read).toEqual(Array.from({ length: 20_000 }, (_, n) => [BigInt(n), `the text of row ${n}`]))
  connection.close()
})

test('a stream that is left before its end leaves its connection usable', async () => {
  const connection = await engine.connect()
  for await (const chunk of connection.chunks('FROM range(300000)')) {
    expect(chunk.rows).toBeGreaterThan(0)
    break
  }
  expect(await connection.rows('SELECT 1 AS one')).toEqual([{ one: 1 }])
  connection.close()
})
