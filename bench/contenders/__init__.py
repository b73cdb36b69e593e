"""Each contender does the same work its own best way: `python -m bench.contenders.NAME WHAT COUNT URL`."""
