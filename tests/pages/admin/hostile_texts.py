"""Texts that would run or make elements if a page took them for markup."""

import itertools

RUN = "window.executed=1"
_ELEMENTS = (
    "<script>{run}</script>",
    "<img src=x onerror={run}>",
    "<svg onload={run}>",
    "<svg><script>{run}</script></svg>",
    "<iframe srcdoc='<script>parent.executed=1</script>'></iframe>",
    "<body onload={run}>",
    "<input autofocus onfocus={run}>",
    "<details open ontoggle={run}>",
    "<video><source onerror={run}></video>",
    "<a href='javascript:{run}'>x</a>",
    "<math><mtext><img src onerror={run}></mtext></math>",
    "<template><img src onerror={run}></template>",
    "<style>@import 'javascript:{run}'</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=javascript:{run}'>",
    "<base href=//evil.example/>",
    "<form action=javascript:{run}><button>x</button></form>",
    "{{{{constructor.constructor('{run}')()}}}}",
    "${{{run}}}",
    "javascript:{run}",
)
_AROUND = (
    "{}",
    "\"'>{}",
    "</textarea>{}",
    "--><!--{}",
    "</title>{}",
    "\\u003c{}",
    "]]>{}",
    "`{}`",
    "\u202e{}",
    "&lt;{}",
)


def texts(number: int = 200) -> list[str]:
    """Return so many different texts."""
    pairs = itertools.product(_AROUND, _ELEMENTS)
    return [around.format(element.format(run=RUN)) for around, element in itertools.islice(pairs, number)]
