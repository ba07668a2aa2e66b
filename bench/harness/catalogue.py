"""Every scenario, and which of them and of their programs a run is about."""

from harness.backlogs import DRAINS
from harness.loads import LOADS
from harness.mysql import MYSQL_DRAINS
from harness.others import OTHERS
from harness.polling import POLLS
from harness.steadies import STEADIES

SCENARIOS = (*DRAINS, *MYSQL_DRAINS, *LOADS, *POLLS, *STEADIES, *OTHERS)


def program_names():
    return list(dict.fromkeys(program.name for scenario in SCENARIOS for program in scenario.programs))


def choose(options):
    """Scenarios with the programs that are wanted of each; those that have none of them are left out."""
    chosen = []
    for scenario in SCENARIOS:
        is_wanted = scenario.name in options.scenario if options.scenario else options.all or scenario.is_default
        programs = [program for program in scenario.programs if not options.program or program.name in options.program]
        if is_wanted and programs:
            chosen.append((scenario, programs))
    return chosen


def show():
    print("scenarios (* in the default run):")
    for scenario in SCENARIOS:
        names = ", ".join(program.name for program in scenario.programs)
        print(f"  {'*' if scenario.is_default else ' '} {scenario.name:16} {scenario.group}: {scenario.title}\n{'':21}{names}")
    print("programs:")
    about = {program.name: program for scenario in SCENARIOS for program in scenario.programs}
    for name, program in about.items():
        print(f"    {name:24} {program.kind:6} {program.about}")
