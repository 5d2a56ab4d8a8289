import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'

/**
 * Notes what it is told until nobody is there to tell it anything, and then ends and deletes what is noted. It asks first, so that who has
 * processes of its own takes them along.
 */
const CARETAKER = `
  processes=' '
  while read -r what it; do
    case $what in
      started) processes="$processes$it " ;;
      ended) processes="\${processes%% $it *} \${processes#* $it }" ;;
      folder) set -- "$@" "$it" ;;
    esac
  done
  if [ "$processes" != ' ' ]; then
    kill $processes
    sleep 1
    kill -9 $processes
  fi
  rm -rf -- "$@"
`

let caretaker: Writable | undefined

function tell (line: string): void {
  if (caretaker === undefined) {
    // In a session of its own, so that what ends a whole group does not end it too.
    const child = spawn('sh', ['-c', CARETAKER], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    child.unref()
    // It must not keep this process going; as a pipe it is a socket.
    if (child.stdin instanceof Socket) child.stdin.unref()
    caretaker = child.stdin
  }
  caretaker.write(`${line}\n`)
}

/** Ends a process at the latest together with this one, whichever way that ends: where tap ends a file, none of its handlers run. */
export function endWithTests (child: ChildProcess): void {
  const { pid } = child
  // It could not be started.
  if (pid === undefined) return
  tell(`started ${pid}`)
  child.once('exit', () => tell(`ended ${pid}`))
}

/** Deletes a folder at the latest when this process ends. */
export function deleteWithTests (folder: string): void {
  tell(`folder ${folder}`)
}
