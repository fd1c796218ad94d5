/**
 * Options that take numbers, held to that before anybody is asked: what is none would go out as `null`, or be refused by an
 * appliance that knows nothing of options. Which ones they are, their placeholders say.
 */
import { type Command, InvalidArgumentError } from 'commander';

const FORMS: Readonly<Record<string, { readonly form: RegExp; readonly says: string }>> = {
  COUNT: { form: /^\d{1,9}$/, says: 'It has to be a whole number.' },
  SECONDS: { form: /^\d{1,9}$/, says: 'It has to be a whole number of seconds.' },
  NUMBER: { form: /^-?\d{1,9}$/, says: 'It has to be a whole number.' },
  HOURS: { form: /^\d{1,6}(?:\.\d+)?$/, says: 'It has to be a number of hours, such as 8 or 0.5.' },
};

/** Of a command and all that are below it. */
export function checkNumbers(command: Command): void {
  for (const option of command.options) {
    const [, placeholder = ''] = /<([A-Z]+)>$/.exec(option.flags) ?? [];
    const rule = FORMS[placeholder];
    if (!rule) continue;
    option.argParser((text: string) => {
      if (rule.form.test(text)) return text;
      throw new InvalidArgumentError(rule.says);
    });
  }
  for (const child of command.commands) checkNumbers(child);
}
