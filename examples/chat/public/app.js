/* global AbortSignal, document, fetch, location, localStorage, navigator, sessionStorage, crypto */
import { Connection } from './connection.js'
import { $, clone, dayRow, dismissToasts, drawer, gapRow, messageRow, orderRow, sameDay, setAvatar, setBadge, setTime, toast } from './dom.js'

const ORDERS = 'orders:live'
const DEFAULT_ROOMS = ['chat:general', 'chat:random', 'chat:coffee', ORDERS]
const TYPING_REPEATS = 3000
/** Messages of one author within this time share one heading. */
const TOGETHER = 5 * 60_000

let connection
let me
let myRooms
let current
/** When each conversation was last looked at, kept over visits. */
let readAt
/** Key -> conversation: a room by its id, a person by '@' and name. */
const views = new Map()
const notices = []

const sidebarDrawer = drawer('sidebar', $('open-sidebar'))
const peopleDrawer = drawer('people', $('open-people'))

// Signing in

async function login (name) {
  const response = await fetch('login', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name }), signal: AbortSignal.timeout(10_000)
  })
  if (response.ok) return response.json()
  throw Object.assign(new Error(response.status === 400
    ? 'Take a name of up to 24 letters and digits.'
    : 'Could not sign in. Try again in a moment.'), { final: response.status === 400 })
}

function askForName () {
  $('sign-in').hidden = false
  $('name').value = localStorage.getItem('chat:name') ?? ''
  $('name').select()
  $('sign-in-form').onsubmit = async (event) => {
    event.preventDefault()
    $('sign-in-error').textContent = ''
    const name = $('name').value.trim()
    try {
      await login(name)
    } catch (err) {
      $('sign-in-error').textContent = err.final ? err.message : 'No answer. Try again in a moment.'
      return
    }
    // Of this tab only, so that two tabs can be two people.
    sessionStorage.setItem('chat:name', name)
    localStorage.setItem('chat:name', name)
    $('sign-in').hidden = true
    start(name)
  }
}

function start (name) {
  me = name
  readAt = JSON.parse(localStorage.getItem(`chat:read:${me}`)) ?? {}
  myRooms = JSON.parse(sessionStorage.getItem('chat:rooms')) ?? []
  $('my-name').textContent = me
  setAvatar($('my-avatar'), me)
  $('command').textContent = `curl -X POST ${location.origin}/orders -H 'content-type: application/json' -d '{"item":"Espresso","user":"${me}"}'`
  showStatus('online')
  $('chat').hidden = false

  connection = new Connection({
    path: '/realtime',
    login: async () => (await login(me)).token,
    on: { state: showState, joined, left, message, direct, people, typing: showTyping, status: showStatus }
  })
  for (const roomId of [...DEFAULT_ROOMS, ...myRooms]) {
    viewOf(roomId)
    connection.join(roomId, { presence: roomId !== ORDERS })
  }
  show(viewOf('chat:general'))
  connection.open()
}

// Conversations

function viewOf (key) {
  let view = views.get(key)
  if (view !== undefined) return view
  const person = key.startsWith('@') ? key.slice(1) : null
  const title = person ?? (key === ORDERS ? 'Live orders' : key.slice('chat:'.length))
  const item = clone('room-item')
  const mark = item.querySelector('.mark')
  if (person !== null) {
    mark.classList.add('avatar')
    mark.dataset.status = statusOf(person)
    setAvatar(mark, person)
  } else {
    mark.textContent = key === ORDERS ? '⚡' : '#'
  }
  item.querySelector('.label').textContent = title
  view = { key, person, title, item, messages: [], pending: new Map(), draft: '', earlier: false }
  item.firstElementChild.onclick = () => {
    show(view)
    sidebarDrawer.close()
    if (key !== ORDERS) $('text').focus()
  }
  // What was said before somebody came is no news to them; what was written to them is.
  if (person === null) readAt[key] ??= Date.now()
  views.set(key, view)
  $(person === null ? 'rooms' : 'directs').append(item)
  $('no-directs').hidden = $('directs').childElementCount > 0
  return view
}

function show (view) {
  if (current !== undefined) {
    current.draft = $('text').value
    current.item.firstElementChild.removeAttribute('aria-current')
  }
  stopTyping()
  current = view
  view.item.firstElementChild.setAttribute('aria-current', 'true')
  const orders = view.key === ORDERS
  $('title').textContent = orders || view.person !== null ? view.title : `# ${view.title}`
  $('leave').hidden = !myRooms.includes(view.key)
  $('composer').hidden = orders
  $('order').hidden = !orders
  $('text').value = view.draft
  $('text').placeholder = view.person === null ? `Message #${view.title}` : `Message ${view.title}`
  $('people').hidden = $('open-people').hidden = orders || view.person !== null
  renderMessages()
  $('scroller').scrollTop = $('scroller').scrollHeight
  people(view.key)
  showTyping(view.key)
  markRead(view)
  dismissToasts(view.key)
}

const unread = (view) => view.messages.filter(({ userId, timestamp, gap }) => !gap && userId !== me && timestamp > (readAt[view.key] ?? 0)).length

function markRead (view) {
  if (view === current && document.visibilityState === 'visible') {
    const last = view.messages.at(-1)
    if (last) readAt[view.key] = Math.max(readAt[view.key] ?? 0, last.timestamp)
    localStorage.setItem(`chat:read:${me}`, JSON.stringify(readAt))
  }
  setBadge(view.item.querySelector('.badge'), unread(view))
  let all = 0
  for (const other of views.values()) all += unread(other)
  setBadge($('elsewhere'), all)
  document.title = `${all > 0 ? `(${all}) ` : ''}${current.title} · Chat`
}

// Messages

const toMessage = ({ userId, content, timestamp, position, key, event }) => ({
  userId,
  timestamp,
  position,
  key,
  ...(event === 'placed' ? { order: content } : { text: content.text })
})

/** A room was entered, again perhaps. Where what comes now does not follow what is here, a gap is shown. */
function joined (roomId, { messages, whole }) {
  const view = viewOf(roomId)
  const first = view.messages.length === 0
  const known = new Set(view.messages.map(({ position }) => position))
  const fresh = messages.map(toMessage).filter(({ position }) => !known.has(position))
  if (first) view.earlier = fresh.length >= 50
  else if (!whole && fresh.length === messages.length) addGap(view)
  view.messages.push(...fresh)
  for (const { userId, key } of fresh) if (userId === me) view.pending.delete(key)
  if (view === current) {
    const follow = atEnd()
    renderMessages()
    if (follow) $('scroller').scrollTop = $('scroller').scrollHeight
  }
  markRead(view)
}

function addGap (view) {
  const last = view.messages.at(-1)
  if (!last.gap) view.messages.push({ gap: true, userId: null, timestamp: last.timestamp })
}

function left (roomId, reason) {
  myRooms = myRooms.filter((id) => id !== roomId)
  sessionStorage.setItem('chat:rooms', JSON.stringify(myRooms))
  const view = views.get(roomId)
  if (view === undefined) return
  views.delete(roomId)
  view.item.remove()
  if (view === current) show(viewOf('chat:general'))
  if (reason) toast({ from: null, title: `You are no longer in ${view.title}`, text: reason })
}

function message (frame) {
  add(viewOf(frame.roomId), toMessage(frame))
}

function direct (frame, live) {
  if (frame.event === 'message') {
    const view = viewOf(`@${frame.userId === me ? frame.content.to : frame.userId}`)
    if (frame.userId === me) forget(view, frame.content.text)
    add(view, toMessage(frame))
    if (live && frame.userId !== me && (view !== current || document.hidden)) {
      toast({ from: frame.userId, title: frame.userId, text: frame.content.text, topic: view.key, onChoose: () => show(view) })
    }
  } else if (frame.event === 'order-placed') {
    const text = `${frame.content.item} is on its way · order ${frame.content.id}`
    notices.unshift({ title: 'Your order', text, timestamp: frame.timestamp })
    showNotices()
    if (live) toast({ from: null, title: 'Your order', text, topic: 'notices', onChoose: () => $('notices').showPopover() })
  }
}

/** Direct messages go by a call, which has no key: the echo is known by its text. */
function forget (view, text) {
  for (const [key, waiting] of view.pending) if (waiting.text === text) return view.pending.delete(key)
}

function add (view, entry) {
  view.messages.push(entry)
  if (entry.userId === me) view.pending.delete(entry.key)
  if (view === current) {
    const follow = atEnd() || entry.userId === me
    append(entry, view.messages.at(-2))
    renderPending()
    if (follow) $('scroller').scrollTop = $('scroller').scrollHeight
    else $('newest').hidden = false
  }
  markRead(view)
}

function append (entry, previous) {
  if (previous === undefined || !sameDay(previous.timestamp, entry.timestamp)) $('messages').append(dayRow(entry.timestamp))
  $('empty').hidden = true
  if (entry.gap) return $('messages').append(gapRow())
  if (entry.order !== undefined) return $('messages').append(orderRow(entry))
  $('messages').append(messageRow(entry, { mine: entry.userId === me, follows: follows(previous, entry.userId, entry.timestamp) }))
}

function follows (previous, userId, timestamp) {
  return previous?.userId === userId && sameDay(previous.timestamp, timestamp) && timestamp - previous.timestamp < TOGETHER
}

function renderMessages () {
  const { messages, earlier, key, person, title } = current
  // The log is read out as it grows, not as it is put there.
  $('log').ariaBusy = 'true'
  $('messages').replaceChildren()
  messages.forEach((entry, index) => append(entry, messages[index - 1]))
  $('log').ariaBusy = 'false'
  $('earlier').hidden = !earlier
  $('empty').hidden = messages.length > 0
  $('empty').firstElementChild.textContent = key === ORDERS
    ? 'No orders yet. The first one shows up here the moment it is placed.'
    : person === null
      ? `Nobody has written in #${title} yet. Open a second window, take another name and see both sides live.`
      : `Only you and ${title} can read this. It waits in the inbox of whoever is away.`
  renderPending()
}

/** Messages that are not in the log yet. */
function renderPending () {
  $('pending').replaceChildren(...[...current.pending].map(([key, { text, failed, timestamp }]) => {
    const row = messageRow({ userId: me, text, timestamp }, { mine: true, follows: follows(current.messages.at(-1), me, timestamp) })
    row.classList.toggle('failed', failed !== undefined)
    if (failed !== undefined) {
      const again = Object.assign(document.createElement('button'), { className: 'quiet', textContent: 'Try again' })
      again.onclick = () => publish(current, key, text)
      const note = Object.assign(document.createElement('p'), { className: 'error', textContent: `Not sent: ${failed} ` })
      note.append(again)
      row.querySelector('.body').append(note)
    }
    return row
  }))
}

const atEnd = () => $('scroller').scrollHeight - $('scroller').scrollTop - $('scroller').clientHeight < 60

$('scroller').onscroll = () => { if (atEnd()) $('newest').hidden = true }
$('newest').onclick = () => $('scroller').scrollTo({ top: $('scroller').scrollHeight, behavior: 'smooth' })

$('earlier').onclick = async () => {
  const view = current
  const { messages, more = false } = await connection.history(view.key, view.messages[0]?.position).catch(() => ({ messages: [] }))
  view.messages.unshift(...messages.map(toMessage))
  view.earlier = more
  if (view !== current) return
  const fromEnd = $('scroller').scrollHeight - $('scroller').scrollTop
  renderMessages()
  $('scroller').scrollTop = $('scroller').scrollHeight - fromEnd
}

// Writing

async function publish (view, key, text) {
  view.pending.set(key, { text, timestamp: Date.now() })
  if (view === current) renderPending()
  try {
    if (view.person === null) {
      await connection.publish(view.key, { text }, key)
    } else {
      await connection.call('direct-message', { to: view.person, text })
      view.pending.delete(key)
    }
  } catch (err) {
    if (view.pending.has(key)) view.pending.get(key).failed = err.message
  }
  if (view === current) renderPending()
}

$('composer').onsubmit = (event) => {
  event.preventDefault()
  const text = $('text').value.trim()
  if (text === '') return
  $('text').value = ''
  stopTyping(false)
  publish(current, crypto.randomUUID(), text)
  $('scroller').scrollTop = $('scroller').scrollHeight
  $('text').focus()
}
$('text').onkeydown = (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  $('composer').requestSubmit()
}

let typedAt = 0
$('text').oninput = () => {
  if (current.person !== null) return
  if ($('text').value === '') stopTyping()
  else if (Date.now() - typedAt > TYPING_REPEATS) {
    typedAt = Date.now()
    connection.typing(current.key, true)
  }
}
/** A message of one's own ends typing by itself. */
function stopTyping (say = true) {
  if (say && typedAt > 0) connection.typing(current.key, false)
  typedAt = 0
}

// People

function people (roomId) {
  for (const view of views.values()) {
    if (view.person !== null) view.item.querySelector('.mark').dataset.status = statusOf(view.person)
  }
  if (current.person !== null) {
    const status = statusOf(current.person)
    $('subtitle').textContent = status === 'gone' ? 'Not here now; messages wait in the inbox' : status[0].toUpperCase() + status.slice(1)
  } else if (current.key === ORDERS) {
    $('subtitle').textContent = 'From POST /orders, by notifyRoom'
  }
  if (roomId !== current.key || roomId === ORDERS || !connection.rooms.has(roomId)) return
  const members = [...connection.rooms.get(roomId).members.values()].sort((a, b) => a.userId.localeCompare(b.userId))
  $('subtitle').textContent = members.length === 1 ? 'Only you are here' : `${members.length} people here`
  $('people-hint').textContent = members.length === 1 ? 'Open a second window to meet somebody.' : 'Choose somebody to write to them directly.'
  $('members').replaceChildren(...members.map(({ userId, status }) => {
    const item = clone('member-item')
    const button = item.firstElementChild
    const avatar = item.querySelector('.avatar')
    setAvatar(avatar, userId)
    avatar.dataset.status = status
    item.querySelector('.label').textContent = userId
    item.querySelector('.note').textContent = userId === me ? 'you' : status
    if (userId === me) {
      button.disabled = true
      button.querySelector('.hidden').remove()
    }
    button.onclick = () => {
      show(viewOf(`@${userId}`))
      peopleDrawer.close()
      $('text').focus()
    }
    return item
  }))
}

function statusOf (person) {
  for (const { members } of connection?.rooms.values() ?? []) {
    if (members.has(person)) return members.get(person).status
  }
  return 'gone'
}

function showTyping (roomId) {
  if (roomId !== current?.key) return
  const names = [...connection?.rooms.get(roomId)?.typing.keys() ?? []]
  $('typing').classList.toggle('on', names.length > 0)
  const [first, second, third] = names
  if (first === undefined) $('typing').textContent = ''
  else if (second === undefined) $('typing').textContent = `${first} is typing`
  else if (third === undefined) $('typing').textContent = `${first} and ${second} are typing`
  else $('typing').textContent = 'Several people are typing'
}

$('status').onchange = () => {
  connection.setStatus($('status').value)
  showStatus($('status').value)
}
function showStatus (status) {
  $('status').value = status
  $('my-dot').dataset.status = status
}

// Rooms

$('join').onsubmit = async (event) => {
  event.preventDefault()
  $('join-error').textContent = ''
  const name = $('join-name').value.trim().toLowerCase().replace(/^#/, '').replace(/\s+/g, '-')
  const roomId = `chat:${name}`
  if (name === '') return
  if (!views.has(roomId)) {
    try {
      await connection.join(roomId)
    } catch (err) {
      $('join-error').textContent = err.code === 'forbidden' ? 'The policy does not let you in there.' : err.message
      return
    }
    myRooms.push(roomId)
    sessionStorage.setItem('chat:rooms', JSON.stringify(myRooms))
  }
  $('join-name').value = ''
  show(viewOf(roomId))
  sidebarDrawer.close()
}

$('leave').onclick = () => {
  const roomId = current.key
  connection.leave(roomId).catch(() => {})
  left(roomId)
}

// What HTTP handlers send

function showNotices () {
  const seen = readAt.notices ?? 0
  setBadge($('unseen'), notices.filter(({ timestamp }) => timestamp > seen).length)
  $('no-notices').hidden = notices.length > 0
  $('notice-list').replaceChildren(...notices.map(({ title, text, timestamp }) => {
    const item = clone('notice-item')
    item.querySelector('strong').textContent = title
    item.querySelector('.text').textContent = text
    setTime(item.querySelector('time'), timestamp)
    return item
  }))
}
$('notices').ontoggle = () => {
  dismissToasts('notices')
  readAt.notices = notices[0]?.timestamp
  localStorage.setItem(`chat:read:${me}`, JSON.stringify(readAt))
  showNotices()
}

$('order').onsubmit = async (event) => {
  event.preventDefault()
  const response = await fetch('orders', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ item: $('item').value.trim(), user: me })
  }).catch(() => null)
  if (!response?.ok) toast({ from: null, title: 'Not ordered', text: 'The server did not take it.' })
}
$('copy').onclick = async () => {
  await navigator.clipboard.writeText($('command').textContent)
  $('copy').textContent = 'Copied'
  setTimeout(() => { $('copy').textContent = 'Copy' }, 2000)
}

// The connection

let countdown
function showState (state, detail) {
  clearInterval(countdown)
  const pill = { online: 'Live', connecting: 'Connecting', waiting: 'Offline', stopped: 'Stopped' }[state]
  if ($('pill').textContent !== pill) $('pill').textContent = pill
  $('pill').dataset.state = state
  if (state === 'online') return banner()
  if (state === 'stopped') return banner(`The connection ended: ${detail}`, 'Connect again')
  if (state !== 'waiting') return
  const tick = () => {
    const seconds = Math.max(1, Math.ceil((detail - Date.now()) / 1000))
    banner('Connection lost. What you write is sent as soon as it is back.', `Try now (${seconds} s)`)
  }
  tick()
  countdown = setInterval(tick, 1000)
}

function banner (text = '', action = '') {
  const [label, button] = $('banner').children
  $('banner').classList.toggle('on', text !== '')
  if (label.textContent !== text) label.textContent = text
  button.textContent = action
}
$('retry').onclick = () => connection.retry()

$('sign-out').onclick = () => {
  connection.close()
  sessionStorage.clear()
  location.reload()
}
document.onvisibilitychange = () => { if (current !== undefined) markRead(current) }

const known = sessionStorage.getItem('chat:name')
if (known === null) askForName()
else start(known)
