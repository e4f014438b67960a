// Writes expected.ndjson: texts as recipes ([piece, times], …), with what Twilio's sms-segments-calculator says of them.
//
//   npm install --no-save --prefix /tmp/segments sms-segments-calculator@1.2.0
//   NODE_PATH=/tmp/segments/node_modules node tests/segments/generate.mjs
//
// Our counts are compared with this file by tests/segments.rs; it is written anew only when texts are added.
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';

const require = createRequire(`${process.env.NODE_PATH}/`);
const { SegmentedMessage } = require('sms-segments-calculator');

// A linear congruential generator: the same texts on every machine (Numerical Recipes' constants).
let state = 20261123;
const random = (n) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 4294967296) * n);
};

const words = [
  'Bonjour ', 'votre commande ', 'est prête ', 'à retirer ', 'Noël ', 'été ', 'où ', 'déjà ', 'Your order ', 'is on its way ',
  'Grüße ', 'schön ', 'mañana ', '¿Qué? ', 'Ñandú ', '15 % ', 'STOP au 36180 ', 'https://x.fr/abc?d=1&e=2 ', 'A', 'b', ' ', '\n',
];
const extended = ['€', '[', ']', '{', '}', '~', '^', '|', '\\', '12,50 € '];
const foreign = [
  'ç', 'ê', 'œ', '’', '« oui »', '…', '–', 'Ça va ', 'Γειά ', 'Ελλάδα ', 'مرحبا ', 'שלום ', 'Привет ', '你好', 'こんにちは',
];
const astral = ['😀', '🎂', '🎉', '𝒳', '👍'];

const texts = [];
// Runs of one character around each limit, alone and with one character of another width at each place that matters.
const around = (limit) => [-2, -1, 0, 1, 2].map((d) => limit + d);
for (const limit of [160, 153 * 2, 153 * 3, 153 * 4]) {
  for (const n of around(limit)) {
    for (const c of ['a', 'é', ' ', '\n', 'Δ']) texts.push([[c, n]]);
    for (const c of extended.slice(0, 9)) {
      texts.push([['a', n - 1], [c, 1]]);
      texts.push([[c, 1], ['a', n - 1]]);
    }
    for (const at of [151, 152, 153, 154, 305, 306]) {
      if (at < n) texts.push([['a', at], ['€', 1], ['a', n - at]]);
    }
  }
}
for (const n of around(80)) texts.push([['€', n]], [['€', n], ['a', 1]]);
for (const limit of [70, 67 * 2, 67 * 3, 67 * 4]) {
  for (const n of around(limit)) {
    for (const c of ['ê', 'Ж', '你']) texts.push([[c, n]], [['a', n - 1], [c, 1]]);
    for (const c of astral) {
      texts.push([['a', n - 1], [c, 1]], [['a', n - 2], [c, 1]], [[c, 1], ['a', n - 2]]);
      texts.push([[c, Math.floor(n / 2)]]);
    }
    for (const at of [65, 66, 67, 68, 132, 133, 134]) {
      if (at < n) texts.push([['ê', at], ['😀', 1], ['ê', n - at]]);
    }
  }
}
// Sentences of all kinds.
const kinds = [[words], [words, extended], [words, foreign], [words, extended, foreign, astral], [astral, words], [foreign]];
while (texts.length < 2200) {
  const kind = kinds[random(kinds.length)];
  const recipe = [];
  for (let i = 1 + random(24); i > 0; i--) {
    const from = kind[random(kind.length)];
    recipe.push([from[random(from.length)], 1 + (random(8) === 0 ? random(12) : 0)]);
  }
  texts.push(recipe);
}

const lines = texts.map((recipe) => {
  const text = recipe.map(([piece, times]) => piece.repeat(times)).join('');
  const message = new SegmentedMessage(text);
  return JSON.stringify({ text: recipe, encoding: message.encodingName, segments: message.segmentsCount });
});
writeFileSync(new URL('expected.ndjson', import.meta.url), lines.join('\n') + '\n');
console.log(`${lines.length} texts`);
