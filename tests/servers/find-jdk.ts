/** Finds a full JDK of given versions on this machine by looking where JDKs usually are. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

/** Folders that hold one JDK per subfolder. */
const COLLECTIONS = [
  '/usr/lib/jvm',
  '/usr/java',
  '/usr/local',
  '/opt',
  '/opt/java',
  '/Library/Java/JavaVirtualMachines',
  join(homedir(), '.jdks'),
  join(homedir(), '.gradle/jdks'),
  join(homedir(), '.sdkman/candidates/java'),
]

/** The home of the newest JDK whose major version is at least `majorMin`, and at most `majorMax`; null when there is none. */
export function findJdk(majorMin: number, majorMax = Number.POSITIVE_INFINITY): string | null {
  const found = candidates()
    .map((home) => ({ home, major: jdkMajor(home) }))
    .filter(({ major }) => major >= majorMin && major <= majorMax)
    .sort((a, b) => b.major - a.major)
  return found[0]?.home ?? null
}

function candidates(): string[] {
  const named = ['ES_JAVA_HOME', 'JAVA_HOME', 'JDK_HOME'].flatMap((name) => process.env[name] ?? [])
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'java'))
    .filter((file) => existsSync(file))
    .map((file) => dirname(dirname(realpathSync(file))))
  return [...new Set([...named, ...onPath, ...COLLECTIONS.flatMap(homesIn)])]
}

function homesIn(folder: string): string[] {
  try {
    return readdirSync(folder).flatMap((name) => [join(folder, name), join(folder, name, 'Contents/Home')])
  } catch {
    return []
  }
}

/** 0 when the folder holds no full JDK: one has a compiler, and a file `release` that tells its version. */
function jdkMajor(home: string): number {
  if (!existsSync(join(home, 'bin/javac')) || !existsSync(join(home, 'bin/java'))) return 0
  try {
    return Number(/^JAVA_VERSION="(\d+)/m.exec(readFileSync(join(home, 'release'), 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
