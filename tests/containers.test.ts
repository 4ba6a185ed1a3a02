/**
 * Holds Dockerfile and docker-compose.yml against the code: services, ports, versions and settings there are those of the command line, the
 * configuration schema and the servers that the other tests run on.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { commandLine } from '#runtime/commands/command-line.ts'
import { loadConfiguration } from '#runtime/settings/configuration.ts'
import { SETTINGS } from '#runtime/settings/settings.ts'
import { s3Place } from '#storage/lake/s3/s3-place.ts'
import { ELASTICSEARCH_VERSION } from './servers/elasticsearch-server.ts'
import { KAFKA_VERSION } from './servers/kafka-server.ts'
import { MINIO_VERSION } from './servers/minio-provision.ts'
import { REDIS_VERSION } from './servers/redis-server.ts'
import { TRINO_VERSION } from './servers/trino-provision.ts'

const root = resolve(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

interface Service {
  readonly image?: string
  readonly build?: string | { readonly dockerfile_inline: string }
  readonly profiles?: readonly string[]
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string | number | null>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string; readonly required?: boolean }>>
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly mem_limit?: string
  readonly restart?: string
  readonly read_only?: boolean
  readonly user?: string
  readonly init?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly pids_limit?: number
}

interface Compose {
  readonly configs: Readonly<Record<string, { readonly content: string }>>
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose
const services = Object.entries(compose.services)
/** Without profiles. */
const always = services.filter(([, { profiles }]) => profiles === undefined)
const ROLES = ['serve', 'stream', 'batch', 'present'] as const
const roles = ROLES.map((name) => [name, compose.services[name]!] as const)
const ignored = read('.dockerignore').split('\n')
const own = JSON.parse(read('package.json')) as { readonly version: string }

describe('docker-compose.yml', () => {
  test('has the roles and what they stand on, and nothing else', () => {
    expect(always.map(([name]) => name).sort()).toEqual([...ROLES, 'elasticsearch', 'kafka', 'kibana', 'redis'].sort())
  })

  test('has what is optional in profiles, which the docs name, and which nothing else needs', () => {
    for (const [name, { profiles = [] }] of services) {
      for (const profile of profiles) expect(read('docs/cluster.md')).toContain(`COMPOSE_PROFILES=${profile}`)
      if (profiles.length > 0) for (const [, role] of roles) expect(role.depends_on?.[name]?.required).not.toBe(true)
    }
  })

  test('has a Trino of the tests’ version, with the catalog that the settings name, over the S3 server', async () => {
    const { image, environment } = compose.services.trino!
    expect(image).toBe(`trinodb/trino:${TRINO_VERSION}`)
    const { trino } = await loadConfiguration({ environment: {} })
    expect(JSON.stringify(compose.services.trino)).toContain(`/etc/trino/catalog/${trino.catalog}.properties`)
    const catalog = compose.configs['trino-delta']!.content
    expect(catalog).toContain('connector.name=delta_lake\n')
    expect(catalog).toContain('delta.register-table-procedure.enabled=true\n')
    expect(catalog).toContain('s3.endpoint=http://s3:9000\n')
    for (const name of Object.keys(environment!)) expect(catalog).toContain(`$\${ENV:${name}}`)
    expect(compose.services.batch!.environment).toMatchObject({ WATERSHED_BATCH_ENGINE: null })
  })

  test('has an S3 server of the tests’ version, with the bucket and the address that .env.example names', async () => {
    const { build, command, environment, healthcheck } = compose.services.s3!
    expect((build as { dockerfile_inline: string }).dockerfile_inline).toContain(`minio/minio@${MINIO_VERSION}\n`)
    const lines = read('.env.example').split('\n')
    const from = lines.indexOf('#COMPOSE_PROFILES=s3')
    const given = lines.slice(from + 1).flatMap((line) => {
      const [, name, value] = /^#(WATERSHED_\w+)=(.*)$/.exec(line) ?? []
      return name === undefined ? [] : [[name, value!] as const]
    })
    const { lake, s3 } = await loadConfiguration({ environment: Object.fromEntries(given) })
    const { bucket } = s3Place(lake!)
    expect(command!.join(' ')).toMatch(new RegExp(`mkdir -p /objects/${bucket} && exec minio server /objects `))
    expect(s3.endpoint).toBe('http://s3:9000')
    expect(healthcheck!.test.at(-1)).toBe('http://localhost:9000/minio/health/ready')
    expect(environment).toMatchObject({
      MINIO_ROOT_USER: expect.stringContaining('{AWS_ACCESS_KEY_ID:-}'),
      MINIO_ROOT_PASSWORD: expect.stringContaining('{AWS_SECRET_ACCESS_KEY:-}'),
    })
  })

  test('runs the versions that the tests run on', () => {
    const tags = Object.fromEntries(services.map(([name, { image }]) => [name, image?.split(':')]))
    expect(tags.kafka).toEqual(['apache/kafka', KAFKA_VERSION])
    expect(tags.elasticsearch).toEqual(['docker.elastic.co/elasticsearch/elasticsearch', ELASTICSEARCH_VERSION])
    expect(tags.kibana).toEqual(['docker.elastic.co/kibana/kibana', ELASTICSEARCH_VERSION])
    expect(tags.redis).toEqual(['redis', expect.stringMatching(new RegExp(`^${REDIS_VERSION}\\.\\d+\\.\\d+$`))])
    for (const role of ROLES) expect(tags[role]).toEqual(['watershed', own.version])
  })

  test.each(services)('%s comes back, is limited, is watched, and is published on loopback only', (_name, service) => {
    expect(service.restart).toBe('unless-stopped')
    expect(service.mem_limit).toMatch(/^\d+[mg]$/)
    // The roles' health check is in the Dockerfile.
    expect(service.healthcheck !== undefined || service.build === '.').toBe(true)
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/)
  })

  test.each(services)('%s cannot gain privileges or make processes without end', (_name, service) => {
    expect(service).toMatchObject({ init: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
    expect(service.pids_limit).toBeGreaterThan(0)
  })

  test('starts no JVM to look after one', () => {
    for (const [name, { healthcheck }] of services) {
      const words = healthcheck?.test.join(' ') ?? ''
      expect(words, name).not.toMatch(/\.sh\b|java|bin\//)
    }
    expect(compose.services.kafka!.healthcheck!.test.at(-1)).toContain('/dev/tcp/localhost/9092')
  })

  test('fits into the memory that the docs name, with every engine and heap within its limit', () => {
    const megabytes = (text = ''): number => Number(text.slice(0, -1)) * (text.endsWith('g') ? 1_024 : 1)
    const all = always.reduce((sum, [, { mem_limit }]) => sum + megabytes(mem_limit), 0)
    const [, named] = /about (\d+) GB of memory/.exec(read('docs/cluster.md'))!
    expect(all).toBeLessThanOrEqual(Number(named) * 1_024)
    for (const [name, { environment, mem_limit }] of roles) {
      const engine = Number(environment![`WATERSHED_${name.toUpperCase()}_MEMORY_MB`])
      expect(engine, name).toBeLessThanOrEqual(megabytes(mem_limit) / 2)
      expect(Number(environment!.WATERSHED_OPEN_BYTES_MAX) / 2 ** 20).toBeLessThanOrEqual(engine)
    }
    for (const [name, variable] of [
      ['kafka', 'KAFKA_HEAP_OPTS'],
      ['elasticsearch', 'ES_JAVA_OPTS'],
    ] as const) {
      const service = compose.services[name]!
      const [, heap] = /-Xmx(\d+[mg])/.exec(String(service.environment![variable]))!
      expect(megabytes(heap), name).toBeLessThanOrEqual(megabytes(service.mem_limit) / 2)
    }
  })

  test('has every variable that must be chosen in .env.example, and .env is neither committed nor in the image', () => {
    const text = read('docker-compose.yml')
    const wanted = [...text.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name!)
    const example = read('.env.example')
    expect(wanted).toEqual(['WATERSHED_KEYS'])
    for (const name of wanted) expect(example).toMatch(new RegExp(`^${name}=`, 'm'))
    const named = [...example.matchAll(/^#?(WATERSHED_\w+|AWS_\w+)=/gm)].map(([, name]) => name!)
    expect(Object.keys(compose.services.serve!.environment!)).toEqual(expect.arrayContaining(named))
    expect(read('.gitignore').split('\n')).toContain('/.env')
    expect(ignored).toContain('.env*')
    expect(read('docs/cluster.md')).toContain('> .env')
  })

  test('compresses records as plain consumers read them, and waits for an Elasticsearch that boots', async () => {
    const { kafka, elasticsearch } = await loadConfiguration({ environment: environmentOf(compose.services.stream!) })
    expect(kafka.compression).toBe('gzip')
    expect(SETTINGS.parse({}).kafka.compression).toBe('gzip')
    expect(elasticsearch.outageMsMax).toBeGreaterThanOrEqual(180_000)
  })

  test('keeps data in volumes that it declares, and declares none in vain', () => {
    const used = services.flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0]!))
    expect([...new Set(used)].sort()).toEqual(Object.keys(compose.volumes).sort())
    for (const [, { volumes }] of roles) expect(volumes).toEqual(['data:/data'])
  })

  test.each(roles)('%s is a command, with settings that the configuration takes', async (name, service) => {
    expect(service.command).toEqual([name])
    expect((await commandLine()).commands.map((command) => command.name())).toContain(name)
    const configuration = await loadConfiguration({ environment: environmentOf(service) })
    expect(configuration).toMatchObject({
      data: '/data',
      log: 'kafka',
      speedStore: 'elasticsearch',
      dictionary: 'redis',
      schedule: 'bullmq',
      elasticsearch: { replicas: 0 },
    })
  })

  test('gives all roles the same settings, but for where one listens', () => {
    const shared = roles.map(([, service]) => {
      const { WATERSHED_HOST, WATERSHED_KEYS, WATERSHED_ADMIN_KEY, ...settings } = service.environment!
      return settings
    })
    for (const settings of shared) expect(settings).toEqual(shared[0])
  })

  test('lets the roles reach each service where it listens, once it is healthy', () => {
    const { environment: settings = {}, depends_on: needed = {} } = compose.services.stream!
    const addresses = [
      String(settings.WATERSHED_KAFKA_BROKERS),
      new URL(String(settings.WATERSHED_ELASTICSEARCH_NODE)).host,
      new URL(String(settings.WATERSHED_REDIS_URL)).host,
    ]
    expect(addresses).toEqual(['kafka:9092', 'elasticsearch:9200', 'redis:6379'])
    expect(String(compose.services.kafka!.environment!.KAFKA_ADVERTISED_LISTENERS)).toContain('INTERNAL://kafka:9092')
    const required = Object.keys(needed).filter((name) => needed[name]!.required !== false)
    expect(required.sort()).toEqual(['elasticsearch', 'kafka', 'redis'])
    expect(needed.s3).toBeDefined()
    for (const { condition } of Object.values(needed)) expect(condition).toBe('service_healthy')
  })

  test('publishes the port that the platform listens on, with a key', () => {
    const { port } = SETTINGS.parse({})
    const serve = compose.services.serve!
    expect(serve.environment).toMatchObject({ WATERSHED_HOST: '0.0.0.0', WATERSHED_PORT: port })
    expect(serve.environment!.WATERSHED_KEYS).toMatch(/^\$\{WATERSHED_KEYS:\?/)
    expect(serve.ports).toEqual([`127.0.0.1:${port}:${port}`])
    expect(read('Dockerfile')).toContain(`EXPOSE ${port}\n`)
    expect(read('Dockerfile')).toContain(`WATERSHED_PORT ?? ${port}}/livez`)
  })

  test('keeps jobs and dictionaries: Redis evicts nothing and writes everything down', () => {
    const command = compose.services.redis!.command!.join(' ')
    expect(command).toContain('--appendonly yes')
    expect(command).toContain('--maxmemory-policy noeviction')
  })
})

describe('the Dockerfile', () => {
  const lines = read('Dockerfile').split('\n')

  test('runs the Node that the project runs on, and not as root', () => {
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, { version?: string }> }
    const node = lock.packages['node_modules/node']!.version!
    const images = lines.filter((line) => line.startsWith('FROM')).map((line) => line.split(' ')[1])
    expect(images).toEqual([`node:${node}-bookworm-slim`, `node:${node}-bookworm-slim`])
    expect(lines.filter((line) => line.startsWith('USER'))).toEqual(['USER node'])
    expect(lines.findIndex((line) => line.startsWith('USER'))).toBeLessThan(
      lines.findIndex((line) => line.startsWith('ENTRYPOINT')),
    )
  })

  test('keeps data and scratch in volumes: the rest of a container can be read only', () => {
    expect(lines).toContain('VOLUME ["/data", "/scratch"]')
    expect(read('Dockerfile')).toMatch(/WATERSHED_DATA=\/data.*\n.*WATERSHED_SCRATCH=\/scratch\n/)
    for (const [, { read_only }] of roles) expect(read_only).toBe(true)
  })

  test('has a health check, and starts what is there', () => {
    expect(lines.some((line) => line.startsWith('HEALTHCHECK'))).toBe(true)
    expect(lines).toContain('ENTRYPOINT ["watershed"]')
    expect(existsSync(join(root, 'watershed'))).toBe(true)
  })

  test('leaves out only what nothing in it imports', () => {
    for (const folder of ['tests', 'bench', 'docs']) expect(ignored).toContain(folder)
    for (const secret of ['.git', '.env*', 'data', 'watershed-data', 'node_modules']) expect(ignored).toContain(secret)
    const outside = /from '(#tests\/.*|#bench\/.*|vitest|.*[.-](fixture|contract|test)\.ts)'/
    expect(sources().filter((file) => outside.test(read(file)))).toEqual([])
  })
})

/** As a container would get it: texts, with a key in place of what has to be chosen or may be, but for the optional map. */
/** What somebody may have in .env. */
const GIVEN: Readonly<Record<string, string>> = {
  WATERSHED_DICTIONARY_SOURCES: 'group_details=https://example.org/{key}',
  WATERSHED_LAKE: 's3://my-bucket/watershed',
  WATERSHED_S3_ENDPOINT: 'http://minio.example.org:9000',
  WATERSHED_BATCH_ENGINE: 'trino',
  WATERSHED_TRINO_URL: 'http://trino:8080',
}

function environmentOf(service: Service): Record<string, string> {
  const values = Object.entries(service.environment ?? {}).map(([name, value]) => {
    const given = GIVEN[name]
    if (given !== undefined) return [name, given]
    return [name, value === null || String(value).startsWith('${') ? 'k'.repeat(16) : String(value)]
  })
  return Object.fromEntries(values) as Record<string, string>
}

/** Sources that are in the image. */
function sources(): string[] {
  const suffixes = ignored.filter((line) => line.startsWith('**/*')).map((line) => line.slice('**/*'.length))
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !ignored.includes(entry.name))
    .flatMap(({ name }) =>
      readdirSync(join(root, name), { recursive: true, encoding: 'utf8' }).map((file) => join(name, file)),
    )
    .filter((file) => file.endsWith('.ts') && !suffixes.some((suffix) => file.endsWith(suffix)))
}
