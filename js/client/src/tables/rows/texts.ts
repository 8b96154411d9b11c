const DAY = 86_400_000;
const CYCLE = 146_097 * DAY;
const LAST = 8.64e15;
const UNITS = [1n, 1_000n, 1_000_000n, 1_000_000_000n] as const;

/** A day since 1970 as ISO 8601 has it. */
export function dayText(day: number): string {
  return yearAndDay(day * DAY);
}

/** An integer of so many digits behind the point. */
export function decimalText(value: bigint, scale: number): string {
  if (scale <= 0) return String(value * 10n ** BigInt(-scale));
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
  const text = `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return value < 0n ? `-${text}` : text;
}

/**
 * A time since 1970.
 *
 * @param value in units
 * @param unit 0 to 3: seconds to nanoseconds
 * @param zoned whether it is a moment, and not a time of some place's own
 */
export function timestampValue(
  value: bigint,
  unit: number,
  zoned: boolean,
  how: 'text' | 'date' | 'bigint',
): string | Date | bigint {
  if (how === 'bigint') return value;
  const second = UNITS[unit] ?? 1n;
  const part = ((value % second) + second) % second;
  const seconds = Number((value - part) / second);
  if (how === 'date') return new Date(seconds * 1000 + Number((part * 1000n) / second));
  return (
    timeText(seconds, part === 0n ? '' : String(part).padStart(3 * unit, '0')) + (zoned ? 'Z' : '')
  );
}

function timeText(seconds: number, fraction: string): string {
  const inDay = ((seconds % 86_400) + 86_400) % 86_400;
  const two = (number: number): string => String(number).padStart(2, '0');
  const clock = [Math.floor(inDay / 3600), Math.floor(inDay / 60) % 60, inDay % 60];
  // thousands that say nothing are left out: .5 s of a microsecond column is .500
  const shown = fraction.replace(/(000)+$/, '');
  const day = yearAndDay((seconds - inDay) * 1000);
  return `${day}T${clock.map(two).join(':')}${shown && `.${shown}`}`;
}

function yearAndDay(milliseconds: number): string {
  // 400 years have the same days: JavaScript's own dates end 270,000 years from now
  const cycles = Math.abs(milliseconds) > LAST ? Math.trunc(milliseconds / CYCLE) : 0;
  const date = new Date(milliseconds - cycles * CYCLE);
  const year = date.getUTCFullYear() + 400 * cycles;
  const digits = String(Math.abs(year)).padStart(year >= 0 && year < 10_000 ? 4 : 6, '0');
  const sign = year < 0 ? '-' : year < 10_000 ? '' : '+';
  return `${sign}${digits}-${date.toISOString().slice(-19, -14)}`;
}
