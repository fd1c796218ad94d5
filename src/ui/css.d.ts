/** Style sheets are the bundler's: importing one makes it load with the page that needs it. */
declare module '*.css';
