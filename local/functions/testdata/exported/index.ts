export default {
  fetch: () => {
    throw new Error("out of order");
  },
};
