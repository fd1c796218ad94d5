/** `reveille completion bash`: a script made from the commands themselves, so that it cannot name one that is not there. */
import type { Command } from 'commander';
import { AppError } from '../../errors.ts';
import type { CliContext } from './connection.ts';

const SHELLS: readonly string[] = ['bash', 'zsh'];

export function addCompletionCommand(program: Command, context: CliContext): void {
  program
    .command('completion')
    .description('print a completion script: source <(reveille completion)')
    .argument('[shell]', 'bash or zsh: one script is for both', 'bash')
    .action((shell: string) => {
      if (!SHELLS.includes(shell))
        throw new AppError('REQUEST_INVALID', { detail: `Shells are ${SHELLS.join(' and ')}.` });
      context.write(renderCompletion(program));
    });
}

/** One line for each command: its words, and what may follow. */
export function renderCompletion(program: Command): string {
  const cases: string[] = [];
  const visit = (command: Command, words: readonly string[]): void => {
    const names = command.commands.flatMap((one) => [one.name(), ...one.aliases()]);
    const flags = command.options.flatMap(({ long }) => long ?? []);
    const follow = [...names, ...flags, '--help'].join(' ');
    cases.push(`    '${words.join(' ')}') follow='${follow}' ;;`);
    for (const child of command.commands)
      for (const name of [child.name(), ...child.aliases()]) visit(child, [...words, name]);
  };
  visit(program, []);
  return `# Completion for reveille, made by \`reveille completion\`, for bash and zsh.
if [ -n "\${ZSH_VERSION-}" ]; then
  autoload -Uz compinit bashcompinit
  whence compdef >/dev/null || compinit
  bashcompinit
fi
_reveille() {
  local word follow='' known='' path=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) continue ;; esac
    path="\${path:+$path }$word"
    case "$path" in
${cases
  .slice(1)
  .map((line) => `      ${line.trim().split(')')[0]}) known=$path ;;`)
  .join('\n')}
    esac
  done
  case "$known" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$follow" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _reveille reveille
`;
}
