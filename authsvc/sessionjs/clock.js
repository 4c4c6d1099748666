// The time. Only differences are used, of a clock that nobody sets: the service
// says how many seconds are left, and they count from here.

const second = 1000;

const now = () => performance.now();

// sleepWatch returns what tells, since it was last asked, whether the machine may
// have slept: some clocks stand still then. The wall clock does not. Where the two
// have moved apart neither is believed, and the service is asked.
function sleepWatch() {
  const gap = () => Date.now() - performance.now();
  let last = gap();
  return () => {
    const moved = Math.abs(gap() - last) > 2 * second;
    last = gap();
    return moved;
  };
}
