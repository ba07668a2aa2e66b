/** Which numbers have come, over all partitions. They ascend in each, so what all have passed comes no more. */
export class Numbers {
  private complete = 0n; // Up to here, each has come or was reported.
  private readonly ahead = new Set<bigint>();
  private readonly reached: bigint[];

  constructor(partitions: number) {
    this.reached = new Array<bigint>(partitions).fill(0n);
  }

  /** A partition has come as far as a number, which came itself or not; gives what is now known to be missing. */
  reach(partition: number, number: bigint, came: boolean): [bigint, bigint][] {
    if (number > (this.reached[partition] ?? 0n)) this.reached[partition] = number;
    if (came && number > this.complete) this.ahead.add(number);
    return this.missing(this.reached.reduce((one, other) => (one < other ? one : other)));
  }

  /** What is missing if nothing more comes. */
  finish(): [bigint, bigint][] {
    return this.missing(this.reached.reduce((one, other) => (one > other ? one : other)));
  }

  private missing(passed: bigint): [bigint, bigint][] {
    const ranges: [bigint, bigint][] = [];
    while (this.complete < passed || this.ahead.has(this.complete + 1n)) {
      this.complete += 1n;
      const last = ranges.at(-1);
      if (this.ahead.delete(this.complete)) continue;
      if (last?.[1] === this.complete - 1n) last[1] = this.complete;
      else ranges.push([this.complete, this.complete]);
    }
    return ranges;
  }
}
