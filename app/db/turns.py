"""Whose turn it is: parts of the SQL that the claim and the places in the queue share.

Turns lie on one time line, on which a turn of a team lasts 1 / weight (`TeamState`).
"""

# The turn given last, and its length.
PRESENT = """
present AS MATERIALIZED (
    SELECT turn_start AS turn, turn_end - turn_start AS length
    FROM team_state ORDER BY turn_start DESC LIMIT 1
)"""

# A team's next turn begins where its last one ended, but not before the turn given last: who comes back waits
# for nobody, and makes up for no absence. Who never left may be a little behind, as claims happen at once.
NEXT_TURN = """
greatest(s.turn_end, (SELECT turn - CASE WHEN s.still_waiting THEN 16 * length ELSE 0 END FROM present))
"""
