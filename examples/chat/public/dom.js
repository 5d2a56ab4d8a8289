/* global document */

/** Small helpers. Whatever comes from people or the server is only ever set as text. */

export const $ = (id) => document.getElementById(id)

export function clone (template) {
  return $(template).content.firstElementChild.cloneNode(true)
}

const clock = new Intl.DateTimeFormat([], { hour: 'numeric', minute: '2-digit' })
const calendar = new Intl.DateTimeFormat([], { weekday: 'long', day: 'numeric', month: 'long' })

export function setTime (element, timestamp) {
  const date = new Date(timestamp)
  element.dateTime = date.toISOString()
  element.textContent = clock.format(date)
}

/** Initials on a colour that is always the same for a name; `null` is the server. */
export function setAvatar (element, name) {
  if (name === null) {
    element.classList.add('server')
    element.textContent = 'API'
    return
  }
  const [first, second] = name.split(/[ ._-]+/)
  element.textContent = (second ? [...first][0] + [...second][0] : [...first].slice(0, 2).join('')).toUpperCase()
  let hue = 7
  for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360
  element.style.setProperty('--hue', hue)
}

export function setBadge (element, count) {
  element.hidden = count === 0
  element.textContent = count > 99 ? '99+' : count
}

/** A row of the conversation; one that `follows` the author's previous one shows no name again. */
export function messageRow ({ userId, text, timestamp }, { mine, follows }) {
  const row = clone('message-item')
  row.classList.toggle('mine', mine)
  row.classList.toggle('follows', follows)
  setAvatar(row.querySelector('.avatar'), userId)
  row.querySelector('strong').textContent = userId ?? 'Orders API'
  setTime(row.querySelector('time'), timestamp)
  row.querySelector('.text').textContent = text
  return row
}

export function orderRow ({ userId, order, timestamp }) {
  const row = clone('order-item')
  setAvatar(row.querySelector('.avatar'), userId)
  row.querySelector('strong').textContent = order.item
  row.querySelector('.for').textContent = order.user ? `for ${order.user}` : ''
  row.querySelector('.id').textContent = order.id
  setTime(row.querySelector('time'), timestamp)
  return row
}

export function gapRow () {
  const row = clone('day-item')
  row.classList.add('gap')
  row.firstElementChild.textContent = 'The server has another history; something may be missing here'
  return row
}

export function dayRow (timestamp) {
  const row = clone('day-item')
  row.firstElementChild.textContent = sameDay(timestamp, Date.now()) ? 'Today' : calendar.format(timestamp)
  return row
}

export function sameDay (one, other) {
  return new Date(one).toDateString() === new Date(other).toDateString()
}

/** Shows something for a few seconds, for longer while it is pointed at or focused. */
export function toast ({ from, title, text, topic = '', onChoose = () => {} }) {
  const element = clone('toast-item')
  setAvatar(element.querySelector('.avatar'), from)
  element.querySelector('strong').textContent = title
  element.querySelector('.text').textContent = text
  element.dataset.topic = topic
  const leave = () => element.matches(':hover, :focus-visible') ? setTimeout(leave, 2000) : element.remove()
  setTimeout(leave, 7000)
  element.onclick = () => {
    element.remove()
    onChoose()
  }
  $('toasts').append(element)
  while ($('toasts').childElementCount > 3) $('toasts').firstElementChild.remove()
}

/** What somebody is looking at now needs no toast any more. */
export function dismissToasts (topic) {
  for (const element of [...$('toasts').children]) if (element.dataset.topic === topic) element.remove()
}

/** A side panel that is always there on wide screens and slides in on narrow ones. */
export function drawer (id, opener) {
  const set = (open) => {
    document.body.dataset.drawer = open ? id : ''
    opener.setAttribute('aria-expanded', open)
    if (open) $(id).querySelector('button, input')?.focus()
  }
  const isOpen = () => document.body.dataset.drawer === id
  const close = () => {
    if (!isOpen()) return
    set(false)
    opener.focus()
  }
  opener.onclick = () => set(!isOpen())
  $('backdrop').addEventListener('click', close)
  document.addEventListener('keydown', ({ key }) => { if (key === 'Escape') close() })
  return { close }
}
