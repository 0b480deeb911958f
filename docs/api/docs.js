// Shows /api/openapi.json: operations by tag, their parameters, bodies, answers and examples.
// Text reaches the page as text nodes only, never as markup.
'use strict';

const methods = ['get', 'post', 'patch', 'put', 'delete'];
const wide = matchMedia('(min-width: 60rem)');
let api;

// Children may be nested lists; what is null or undefined is left out.
function append(node, ...children) {
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
}

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === undefined) continue;
    if (key.startsWith('on'))
      node.addEventListener(key.slice(2), value);
    else
      node.setAttribute(key, value === true ? '' : value);
  }
  append(node, children);
  return node;
}

// `code`, **strong** and *emphasis* of CommonMark: all that the descriptions use.
function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*)/).map((piece) => {
    if (piece.startsWith('`')) return el('code', {}, piece.slice(1, -1));
    if (piece.startsWith('**')) return el('strong', {}, piece.slice(2, -2));
    if (piece.startsWith('*') && piece.length > 2) return el('em', {}, piece.slice(1, -1));
    return piece;
  });
}

function prose(text = '') {
  const paragraphs = text.trim().split(/\n\s*\n/).filter(Boolean);
  return paragraphs.map((each) => el('p', {}, inline(each.replace(/\s*\n\s*/g, ' '))));
}

function deref(value) {
  let found = value;
  while (found?.$ref) {
    const {$ref, ...own} = found;
    const target = $ref.slice(2).split('/').reduce((at, name) => at[name], api);
    found = {...target, ...own};
  }
  return found?.allOf && !found.type ? narrowed(found) : found;
}

// An object whose members another schema narrows: a member that may not be there is `false`.
function narrowed({allOf, ...own}) {
  const [base, ...others] = allOf.map(deref);
  const properties = {...base.properties};
  for (const [name, member] of others.flatMap((other) => Object.entries(other.properties ?? {}))) {
    if (member === false)
      delete properties[name];
    else
      properties[name] = {...deref(properties[name]), ...member};
  }
  return {...base, ...own, properties};
}

// --- schemas ---

const refName = (schema) => schema?.$ref?.split('/').pop();
const isNull = (schema) => deref(schema).type === 'null';
const literal = (value) =>
    el('code', {}, typeof value === 'string' ? value : JSON.stringify(value));

function joined(nodes, separator) {
  return nodes.flatMap((node, index) => (index ? [separator, node] : [node]));
}

// What a value may be, in a few words.
function typeWords(schema) {
  const it = deref(schema);
  if ('const' in it) return [literal(it.const)];
  if (it.enum) return joined(it.enum.map(literal), ' · ');
  const choices = it.properties ? undefined : it.anyOf ?? it.oneOf;
  if (choices) return joined(choices.map((choice) => el('span', {}, typeWords(choice))), ' or ');
  const name = refName(schema);
  const types = [it.type ?? []].flat();
  if (types.includes('array')) {
    return [
      'array of ', ...typeWords(it.items ?? {}),
      ...(types.includes('null') ? [' or ', literal(null)] : [])
    ];
  }
  if (types.includes('object')) return [name ?? 'object'];
  const plain = types.map((type) => (type === 'null' ? literal(null) : type));
  return plain.length ? joined(plain, ' or ') : ['anything'];
}

function boundWords(schema) {
  const it = deref(schema);
  const words = [];
  const range = (min, max, unit) => {
    if (min !== undefined && max !== undefined)
      words.push(min === max ? `${min}${unit}` : `${min} to ${max}${unit}`);
    else if (min !== undefined)
      words.push(`at least ${min}${min === 1 ? unit.replace(/s$/, '') : unit}`);
    else if (max !== undefined)
      words.push(`at most ${max}${unit}`);
  };
  range(it.minimum, it.maximum, '');
  range(it.minLength, it.maxLength, ' characters');
  range(it.minItems, it.maxItems, ' items');
  if (it.uniqueItems) words.push('each once');
  if (it.format) words.push(it.format);
  if ('default' in it) words.push(`default ${JSON.stringify(it.default)}`);
  return words.join(', ');
}

// The objects whose members are worth showing below a value of this schema.
function objectsIn(schema) {
  const it = deref(schema);
  if (it.properties || typeof it.additionalProperties === 'object') return [schema];
  if (it.items) return objectsIn(it.items);
  return (it.anyOf ?? it.oneOf ?? []).filter((each) => !isNull(each)).flatMap(objectsIn);
}

// Filled when it is opened, so that the page stays small.
function folded(summary, content, attributes = {}) {
  const node = el('details', attributes, el('summary', {}, summary));
  const fill = () => {
    if (node.open && node.children.length === 1) append(node, content());
  };
  node.addEventListener('toggle', fill);
  if (attributes.open) fill();
  return node;
}

function row(name, facts, words, below = []) {
  return [
    el('dt', {}, el('code', {class: 'name'}, name),
       facts.required ? el('span', {class: 'required'}, 'required') : null),
    el('dd', {},
       el('p', {class: 'type'}, words,
          facts.bounds ? el('span', {class: 'bounds'}, ` · ${facts.bounds}`) : null),
       prose(facts.description),
       facts.example === undefined ?
           null :
           el('p', {class: 'type'}, 'for example ', literal(facts.example)),
       below),
  ];
}

// `isAnswer`: members of answers are nearly always there, so what is told is which are not.
function members(schema, isAnswer) {
  const it = deref(schema);
  const rows = Object.entries(it.properties ?? {}).map(([name, member]) => {
    const required = it.required?.includes(name);
    const below = objectsIn(member).map(
        (each) => folded(['Members of ', refName(each) ?? name], () => members(each, isAnswer)));
    const description = deref(member).description;
    const facts = {required: required && !isAnswer, bounds: boundWords(member), description};
    const node = row(name, facts, typeWords(member), below);
    if (isAnswer && !required) node[0].append(el('span', {class: 'required'}, 'not always there'));
    return node;
  });
  if (typeof it.additionalProperties === 'object') {
    rows.push(row('any other', {}, typeWords(it.additionalProperties)));
  }
  return el('dl', {class: 'rows'}, rows.flat());
}

function schemaView(schema, isAnswer) {
  const shown = objectsIn(schema);
  const description = deref(schema).description;
  const parts = [
    el('p', {class: 'type'}, typeWords(schema),
       boundWords(schema) ? ` · ${boundWords(schema)}` : null),
    ...prose(description)
  ];
  if (shown.length === 1) return [...parts, members(shown[0], isAnswer)];
  return [
    ...parts,
    ...shown.map((each) => folded(refName(each) ?? 'Members', () => members(each, isAnswer)))
  ];
}

// --- examples ---

function code(text, label) {
  const block = el('pre', {tabindex: 0, 'aria-label': label}, el('code', {}, text));
  if (!navigator.clipboard) return block;
  const copy = async (event) => {
    await navigator.clipboard.writeText(text);
    const button = event.target;
    button.textContent = 'Copied';
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 1500);
  };
  const attributes = {type: 'button', class: 'copy', 'aria-label': `Copy: ${label}`, onclick: copy};
  const button = el('button', attributes, 'Copy');
  return el('div', {class: 'code'}, block, button);
}

function examplesOf(media) {
  if ('example' in media) return [{summary: 'Example', value: media.example}];
  return Object.values(media.examples ?? {});
}

const shellQuoted = (text) => `'${text.replaceAll('\'', '\'\\\'\'')}'`;

function curl(method, path, operation, parameters) {
  const example = (name) => parameters.find((each) => each.name === name)?.example ?? name;
  const url = location.origin + path.replace(/\{(\w+)\}/g, (_, name) => example(name));
  const lines = [method === 'get' ? `curl ${url}` : `curl -X ${method.toUpperCase()} ${url}`];
  if (securityOf(operation).length) lines.push('-H "Authorization: Bearer $TOKEN"');
  if (operation.requestBody) {
    const [body] = examplesOf(operation.requestBody.content['application/json']);
    lines.push(`-H 'Content-Type: application/json'`);
    lines.push(`-d ${shellQuoted(JSON.stringify(body.value))}`);
  }
  return lines.join(' \\\n  ');
}

// --- operations ---

function securityOf(operation) {
  return (operation.security ?? api.security).map((each) => Object.keys(each)[0]);
}

function securityLine(operation) {
  const names = {session: 'session token', apiToken: 'API token', cookie: 'session cookie'};
  const ways = securityOf(operation).map((way) => names[way] ?? way);
  if (!ways.length) return el('p', {class: 'security'}, 'Open to anyone.');
  const last = ways.pop();
  const list = ways.length ? `${ways.join(', ')} or ${last}` : last;
  return el('p', {class: 'security'}, `Takes a ${list}.`);
}

function parameterRow(parameter) {
  const place = {path: 'in the path', query: 'in the query', header: 'a header'}[parameter.in];
  const bounds = [boundWords(parameter.schema), place].filter(Boolean).join(', ');
  return row(parameter.name, {...parameter, bounds}, typeWords(parameter.schema));
}

function parametersView(parameters) {
  if (!parameters.length) return null;
  return [el('h4', {}, 'Parameters'), el('dl', {class: 'rows'}, parameters.map(parameterRow))];
}

function exampleView({summary, value}) {
  const text = JSON.stringify(value, null, 2);
  return el('div', {class: 'example'}, el('p', {class: 'caption'}, summary), code(text, summary));
}

function mediaView(content, isAnswer) {
  return Object.entries(content ?? {}).map(([type, media]) => [
    el('p', {class: 'media'}, el('code', {}, type)),
    media.schema ? schemaView(media.schema, isAnswer) : null,
    examplesOf(media).map(exampleView),
  ]);
}

function headerRow([name, reference]) {
  const header = deref(reference);
  const bounds = header.required ? 'always there' : 'not always there';
  return row(name, {bounds, description: header.description}, typeWords(header.schema));
}

function headersView(headers) {
  if (!headers) return null;
  const rows = Object.entries(headers).map(headerRow);
  return [el('h5', {}, 'Headers'), el('dl', {class: 'rows'}, rows)];
}

function responseView([status, reference]) {
  const response = deref(reference);
  const description = response.description.trim();
  const [title] = description.split(/(?<=[.:])\s/);
  const isOther = status === 'default';
  const badge = el('span', {class: `status ${isOther ? 'other' : `s${status[0]}`}`},
                   isOther ? 'other' : status);
  const fill = () => [
    prose(description.slice(title.length)),
    mediaView(response.content, true),
    headersView(response.headers),
  ];
  return folded([badge, ' ', el('span', {}, inline(title))], fill,
                {class: 'response', open: status.startsWith('2')});
}

function operationView(path, item, method) {
  const operation = item[method];
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(deref);
  const id = operation.operationId;
  const article = el('article', {id, class: 'operation', 'aria-labelledby': `${id}-title`});
  const badge = el('span', {class: `method ${method}`}, method.toUpperCase());
  const anchor = el('a', {href: `#${id}`, class: 'anchor'}, operation.summary);
  append(article, el('h3', {id: `${id}-title`}, anchor),
         el('p', {class: 'route'}, badge, ' ', el('code', {}, path)),
         prose(operation.description), securityLine(operation), parametersView(parameters));
  if (operation.requestBody) {
    append(article, el('h4', {}, 'Body'), mediaView(operation.requestBody.content, false));
  }
  const responses = Object.entries(operation.responses).sort(byStatus);
  append(article, el('h4', {}, 'Answers'), responses.map(responseView));
  if (path.startsWith('/api/v1')) {
    const command = () => code(curl(method, path, operation, parameters), 'curl command');
    append(article, folded('With curl', command, {class: 'curl'}));
  }
  return article;
}

function eventView(topic, event) {
  const heading = `${topic}-title`;
  const article = el('article', {id: topic, class: 'operation', 'aria-labelledby': heading});
  const badge = el('span', {class: 'method'}, 'TOPIC');
  const anchor = el('a', {href: `#${topic}`, class: 'anchor'}, event.summary);
  const examples = deref(event.schema).examples.map((value) => ({summary: value.type, value}));
  append(article, el('h3', {id: heading}, anchor),
         el('p', {class: 'route'}, badge, ' ', el('code', {}, topic)),
         prose(event.description), el('h4', {}, 'Event'), schemaView(event.schema, true),
         el('h4', {}, 'Examples'), examples.map(exampleView));
  return article;
}

// Numeric keys come in order by themselves; `default` goes last.
const byStatus = ([one], [other]) => (one === 'default') - (other === 'default');

// Everything that a reader may search by.
function wordsOf(...values) {
  const words = [];
  const seen = new Set();
  const collect = (value) => {
    if (typeof value === 'string') words.push(value);
    if (!value || typeof value !== 'object') return;
    if (value.$ref) {
      if (seen.has(value.$ref) || value.$ref.includes('/responses/')) return;
      seen.add(value.$ref);
      collect(deref(value));
      return;
    }
    for (const [key, child] of Object.entries(value)) {
      if (key === 'example' || key === 'examples') continue;
      words.push(key);
      collect(child);
    }
  };
  collect(values);
  return words.join('\n').toLowerCase();
}

// --- the page ---

const entries = [];  // of each operation and event: where it is shown, and its words

function tagSection(tag) {
  const parts = [];
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of methods.filter((each) => item[each]?.tags[0] === tag.name)) {
      const operation = item[method];
      const badge = el('span', {class: `method ${method}`},
                       method === 'delete' ? 'DEL' : method.toUpperCase());
      parts.push({
        badge,
        id: operation.operationId,
        summary: operation.summary,
        article: operationView(path, item, method),
        words: wordsOf(method, path, item.parameters, operation)
      });
    }
  }
  return {title: tag.name, description: tag.description, parts};
}

function eventSection() {
  const parts = Object.entries(api['x-events'] ?? {}).map(([topic, event]) => ({
    badge: el('span', {class: 'method'}, 'TOPIC'),
    id: topic,
    summary: event.summary,
    article: eventView(topic, event),
    words: wordsOf(topic, event)
  }));
  const description = 'What is published about tasks: CloudEvents 1.0 in structured JSON.';
  return {title: 'Events', description, parts};
}

function showSection({title, description, parts}) {
  const id = `tag-${title.toLowerCase().replaceAll(' ', '-')}`;
  const section = el('section', {class: 'tag', id, 'aria-labelledby': `${id}-title`});
  append(section, el('h2', {id: `${id}-title`}, title), prose(description));
  const list = el('ul');
  for (const {badge, id: target, summary, article, words} of parts) {
    const link = el('li', {}, el('a', {href: `#${target}`}, badge, ' ', el('span', {}, summary)));
    section.append(article);
    list.append(link);
    entries.push({article, link, words});
  }
  const heading = el('h2', {}, el('a', {href: `#${id}`}, title));
  document.getElementById('nav').append(el('section', {}, heading, list));
  document.getElementById('content').append(section);
}

function render() {
  const title = el('h1', {}, api.info.title, ' ', el('small', {}, api.info.version));
  const about = el('section', {id: 'about'}, title, el('p', {class: 'lead'}, api.info.summary));
  append(about, prose(api.info.description));
  document.getElementById('content').replaceChildren(about);
  for (const tag of api.tags) showSection(tagSection(tag));
  showSection(eventSection());
}

function search(text) {
  const terms = text.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const {article, link, words} of entries) {
    const found = terms.every((term) => words.includes(term));
    article.hidden = link.hidden = !found;
    count += found;
  }
  for (const section of document.querySelectorAll('#content > .tag'))
    section.hidden = !section.querySelector('article:not([hidden])');
  for (const section of document.querySelectorAll('#nav > section'))
    section.hidden = !section.querySelector('li:not([hidden])');
  document.getElementById('about').hidden = terms.length > 0;
  document.getElementById('found').textContent =
      terms.length ? `${count} of ${entries.length}` : '';
}

function clearSearch() {
  const input = document.getElementById('search');
  if (!input.value) return;
  input.value = '';
  search('');
}

// Deep links: to an operation, even one that a search has hidden.
function showLinked() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (const link of document.querySelectorAll('#nav a')) {
    if (link.hash === location.hash)
      link.setAttribute('aria-current', 'true');
    else
      link.removeAttribute('aria-current');
  }
  if (!target) return;
  if (target.closest('[hidden]')) clearSearch();
  if (!wide.matches) document.getElementById('toc').open = false;
  target.scrollIntoView({behavior: 'instant'});
  target.tabIndex = -1;
  target.focus({preventScroll: true});
}

function listen() {
  const input = document.getElementById('search');
  const toc = document.getElementById('toc');
  input.addEventListener('input', () => search(input.value));
  document.addEventListener('keydown', (event) => {
    const typing = event.target.matches('input, textarea');
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      input.focus();
    } else if (event.key === 'Escape' && event.target === input) {
      clearSearch();
    }
  });
  addEventListener('hashchange', showLinked);
  const layOut = () => {
    toc.open = wide.matches;
  };
  wide.addEventListener('change', layOut);
  layOut();
}

async function begin() {
  try {
    const answer = await fetch('/api/openapi.json');
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    api = await answer.json();
  } catch (error) {
    document.getElementById('loading').textContent =
        `The description could not be loaded (${error.message}). Reload to try again.`;
    return;
  }
  document.title = `${api.info.title} API`;
  render();
  listen();
  if (location.hash) showLinked();
}

begin();
