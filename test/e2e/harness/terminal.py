"""A command on a terminal of its own, and what a person types there."""

import os
import pty
import select
import time


def answer_on_a_terminal(program, arguments, env, answer=b"", typed_ahead=b"", question=b"[y/N]"):
    """(what the terminal showed, the exit code, whether the question came); `answer` is typed behind it."""
    child, terminal = pty.fork()
    if child == 0:
        if typed_ahead:
            time.sleep(0.5)  # until it is there
        os.execve(program, [program, *arguments], env)
    os.write(terminal, typed_ahead)
    seen, answered = b"", False
    while select.select([terminal], [], [], 20)[0]:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            break
        if not more:
            break
        seen += more
        if question in seen and not answered:
            time.sleep(0.2 if typed_ahead else 0)  # whoever takes what was typed ahead does it now
            os.write(terminal, answer)
            answered = True
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    return seen, code, answered
